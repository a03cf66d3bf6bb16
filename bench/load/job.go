package load

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	maxConnections = 256             // of one job, those that have not given the token yet included
	tokenTime      = 3 * time.Second // for a connection to give it: others of the same job may still be connecting
	answerTime     = time.Second     // for one of accept-tcp, which gives it at once
)

// service says how a kind of job is done: what socket it needs, and what runs on it until the job ends.
type service struct {
	kind int // unix.SOCK_STREAM or unix.SOCK_DGRAM
	run  func(*job)
}

var services = map[Kind]service{
	SinkTCP:   {unix.SOCK_STREAM, func(j *job) { j.serve(j.sink) }},
	SourceTCP: {unix.SOCK_STREAM, func(j *job) { j.serve(j.source) }},
	EchoTCP:   {unix.SOCK_STREAM, func(j *job) { j.serve(j.echo) }},
	AcceptTCP: {unix.SOCK_STREAM, (*job).acceptors},
	SinkUDP:   {unix.SOCK_DGRAM, (*job).sinkDatagrams},
	CheckUDP:  {unix.SOCK_DGRAM, (*job).checkDatagrams},
	EchoUDP:   {unix.SOCK_DGRAM, (*job).echoDatagrams},
}

// job is one job under way, and the Remote of it. Its goroutines end when its sockets are interrupted.
type job struct {
	Job
	server *Server
	main   *socket // the listening one, or the one of all datagrams
	addr   netip.AddrPort
	ledger ledger
	rate   *Throttle
	guests *guests
	quit   chan struct{} // closed at the end
	wait   sync.WaitGroup

	mu      sync.Mutex // guards what follows
	timer   *time.Timer
	sockets map[*socket]bool
	ended   bool
	reason  error // why it ended or fell ill; nil: by Finish
}

// newJob opens the port and starts the job.
func newJob(s *Server, what Job, how service) (*job, error) {
	main, err := listen(s.place, s.addr, how.kind)
	if err != nil {
		return nil, err
	}
	j := &job{Job: what, server: s, main: main, rate: s.options.Throttle, guests: newGuests(what),
		quit:    make(chan struct{}),
		sockets: map[*socket]bool{main: true}}
	if j.addr, err = main.local(); err != nil {
		main.close()
		return nil, err
	}
	j.wait.Go(func() { how.run(j) })
	j.mu.Lock()
	defer j.mu.Unlock()
	j.timer = time.AfterFunc(what.Within, func() { j.end(fmt.Errorf("%w (%v)", ErrExpired, what.Within)) })
	return j, nil
}

// Addr implements Remote. It is unspecified when the server listens on all addresses: then only the port counts.
func (j *job) Addr() netip.AddrPort { return j.addr }

// Tally implements Remote. A job that has ended by itself still has a tally, and the error says why it ended.
func (j *job) Tally(context.Context) (Tally, error) {
	t := j.ledger.read()
	t.Overflow = j.main.drops()
	j.mu.Lock()
	defer j.mu.Unlock()
	return t, j.reason
}

// Finish implements Remote. It may be called again.
func (j *job) Finish(ctx context.Context) (Tally, error) {
	j.end(nil)
	return j.Tally(ctx)
}

// end ends the job if it has not ended yet, and returns when its goroutines have ended and its sockets are closed.
func (j *job) end(reason error) {
	j.mu.Lock()
	first := !j.ended
	if first {
		j.ended = true
		if j.reason == nil && reason != nil {
			j.reason = fmt.Errorf("load: %s on %s: %w", j.Kind, j.addr, reason)
		}
		close(j.quit)
		j.timer.Stop()
		for s := range j.sockets {
			s.interrupt()
		}
	}
	j.mu.Unlock()
	j.wait.Wait()
	if first {
		j.server.forget(j)
	}
}

// fail notes why the job cannot go on. Errors after its end are its end.
func (j *job) fail(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.ended && j.reason == nil {
		j.reason = fmt.Errorf("load: %s on %s: %w", j.Kind, j.addr, err)
	}
}

// over reports whether the job has ended.
func (j *job) over() bool {
	select {
	case <-j.quit:
		return true
	default:
		return false
	}
}

// own makes the job interrupt the socket at its end. false: it has ended, or there are too many.
func (j *job) own(s *socket) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.ended || len(j.sockets) > maxConnections {
		return false
	}
	j.sockets[s] = true
	return true
}

// discard closes a socket of the job.
func (j *job) discard(s *socket) {
	j.mu.Lock()
	delete(j.sockets, s)
	j.mu.Unlock()
	s.close()
}

// accept waits for a connection from an address that may use the job. Others are reset. An error: there are no more.
func (j *job) accept() (*socket, error) {
	for {
		c, err := j.main.accept()
		if err != nil {
			j.fail(fmt.Errorf("accept: %w", err))
			return nil, err
		}
		if j.guests.mayTry(c.peer.Addr()) && j.own(c) {
			return c, nil
		}
		c.reset()
	}
}

// knows reports whether a token is the job's, and the one who shows it a guest.
func (j *job) knows(token []byte, from netip.Addr) bool {
	return subtle.ConstantTimeCompare(token, j.Token[:]) == 1 && j.guests.enter(from)
}

// serve takes connections and gives each that knows the token to do, in a goroutine of its own.
func (j *job) serve(do func(*socket)) {
	defer j.discard(j.main)
	for {
		c, err := j.accept()
		if err != nil {
			return
		}
		j.wait.Go(func() {
			defer j.discard(c)
			if j.greet(c) == nil {
				do(c)
			}
		})
	}
}

// greet reads the token.
func (j *job) greet(c *socket) error {
	var token Token
	if err := errors.Join(c.limit(unix.SO_RCVTIMEO, tokenTime), c.recvAll(token[:]), c.limit(unix.SO_RCVTIMEO, 0)); err != nil {
		return err
	}
	if !j.knows(token[:], c.peer.Addr()) {
		return errStranger
	}
	j.ledger.connection()
	return c.set(unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
}

// listen makes the socket of a job.
func listen(place Place, addr netip.Addr, kind int) (*socket, error) {
	if !addr.IsValid() || addr == netip.IPv6Unspecified() {
		s, err := listenOn(place, netip.IPv6Unspecified(), kind)
		if err == nil {
			return s, nil
		}
		addr = netip.IPv4Unspecified() // a host without IPv6
	}
	return listenOn(place, addr, kind)
}

func listenOn(place Place, addr netip.Addr, kind int) (*socket, error) {
	s, err := newSocket(place, kind, addr.Is6())
	if err != nil {
		return nil, err
	}
	if err := prepare(s, addr, kind); err != nil {
		s.close()
		return nil, fmt.Errorf("listen on %s: %w", addr, err)
	}
	return s, nil
}

func prepare(s *socket, addr netip.Addr, kind int) error {
	if s.is6 {
		if err := s.set(unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0); err != nil {
			return err
		}
	}
	if err := s.bind(netip.AddrPortFrom(addr, 0)); err != nil {
		return err
	}
	if kind == unix.SOCK_STREAM {
		return unix.Listen(s.fd, 1024)
	}
	s.buffer(receiveBuffer)
	return s.dontFragment()
}
