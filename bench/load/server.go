package load

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"
)

// Server is the far end: it does jobs in a place, each on a port of its own. All methods may be called from any goroutine.
type Server struct {
	place   Place
	addr    netip.Addr
	options ServerOptions

	mu     sync.Mutex // guards what follows
	jobs   map[*job]bool
	closed bool
}

// NewServer makes a server with the default limits. It listens on addr, or on all addresses of both families when addr is
// the zero Addr or an unspecified one. On a host with several addresses, give the one that the near end sends to: answers
// to datagrams leave from it.
func NewServer(place Place, addr netip.Addr) *Server {
	return NewLimitedServer(place, addr, ServerOptions{})
}

// NewLimitedServer makes a server with limits.
func NewLimitedServer(place Place, addr netip.Addr, o ServerOptions) *Server {
	if o.MaxWithin <= 0 {
		o.MaxWithin = DefaultMaxWithin
	}
	if o.MaxJobs <= 0 {
		o.MaxJobs = DefaultMaxJobs
	}
	return &Server{place: place, addr: addr.Unmap(), options: o, jobs: map[*job]bool{}}
}

// Start implements Far. The context only says whether to begin at all. An error wraps ErrBusy when there are too many jobs
// and ErrClosed after Close.
func (s *Server) Start(ctx context.Context, j Job) (Remote, error) {
	if err := ctx.Err(); err != nil {
		return nil, s.refuse(j, err)
	}
	if j.Within < 0 || j.Within > s.options.MaxWithin {
		return nil, s.refuse(j, fmt.Errorf("%v is asked for, allowed are %v", j.Within, s.options.MaxWithin))
	}
	if j.Within == 0 {
		j.Within = s.options.MaxWithin
	}
	serve, ok := services[j.Kind]
	if !ok {
		return nil, s.refuse(j, fmt.Errorf("unknown kind of job %q", j.Kind))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.admits(); err != nil {
		return nil, s.refuse(j, err)
	}
	w, err := newJob(s, j, serve)
	if err != nil {
		return nil, s.refuse(j, err)
	}
	s.jobs[w] = true
	return w, nil
}

func (s *Server) refuse(j Job, err error) error {
	return fmt.Errorf("load: start %s at %s: %w", j.Kind, nameOf(s.place), err)
}

// admits reports why there can be no further job; the lock is held.
func (s *Server) admits() error {
	if s.closed {
		return ErrClosed
	}
	if len(s.jobs) >= s.options.MaxJobs {
		return fmt.Errorf("%w (%d)", ErrBusy, s.options.MaxJobs)
	}
	return nil
}

// Jobs is how many are under way.
func (s *Server) Jobs() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.jobs)
}

// forget takes an ended job off.
func (s *Server) forget(j *job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.jobs, j)
}

// Close ends all jobs, waits until their sockets are closed, and lets no new ones start. It may be called again.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	jobs := make([]*job, 0, len(s.jobs))
	for j := range s.jobs {
		jobs = append(jobs, j)
	}
	s.mu.Unlock()
	for _, j := range jobs {
		j.end(ErrClosed)
	}
	return nil
}

// grace is how long what is not a measurement may take: connecting, telling the token, asking for the last tally.
const grace = 5 * time.Second
