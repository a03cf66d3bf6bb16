package between

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/weftnet/weft/bench/load"
)

const (
	rateLook  = time.Second // how often the rate is looked at
	rateSlack = 1.25        // what may arrive beyond the limit: headers and bursts are nobody's fault
	rateLooks = 2           // looks in a row beyond it that end a run
	maxHosts  = 4           // addresses of this machine that one run may use
)

// serverRun is one client's run at the server. All fields belong to the goroutine of serve.
type serverRun struct {
	conn     net.Conn
	guest    guest
	maxTime  time.Duration
	maxRate  uint64
	throttle *load.Throttle // of all that the run makes this side send
	began    time.Time
	stations map[netip.Addr]station
	jobs     map[uint32]load.Remote
	started  int // jobs so far; the latest one's number

	finished uint64 // bytes that arrived for jobs that have ended
	seen     uint64 // bytes that had arrived at the last look
	looked   time.Time
	fast     int // looks in a row that found too much
}

func newRun(conn net.Conn, g guest, o ServeOptions) *serverRun {
	now := time.Now()
	return &serverRun{
		conn: conn, guest: g, maxTime: o.MaxTime, maxRate: o.MaxRate, throttle: load.NewThrottle(o.MaxRate), began: now, looked: now,
		stations: map[netip.Addr]station{}, jobs: map[uint32]load.Remote{},
	}
}

// serve answers requests until the client says goodbye or vanishes, or a limit or ctx ends the run, and says which of them
// it was. Nothing of the run is left when it returns.
func (r *serverRun) serve(ctx context.Context) string {
	requests, ended := make(chan *request), make(chan error, 1)
	quit := make(chan struct{})
	go func() { ended <- r.read(requests, quit) }()
	why, read := r.loop(ctx, requests, ended)
	close(quit)
	r.conn.Close()
	if !read {
		<-ended
	}
	for _, s := range r.stations {
		s.Close() // ends its jobs; there is nothing else in it that could fail
	}
	return why
}

// read hands on requests until the connection ends. An idle client is one that has vanished.
func (r *serverRun) read(requests chan<- *request, quit <-chan struct{}) error {
	for {
		if err := r.conn.SetReadDeadline(time.Now().Add(idleTime)); err != nil {
			return err
		}
		q := new(request)
		if err := readFrame(r.conn, q); err != nil {
			return err
		}
		select {
		case requests <- q:
		case <-quit:
			return nil
		}
	}
}

// loop does the work. read says that the reader has ended, and its error has been taken.
func (r *serverRun) loop(ctx context.Context, requests <-chan *request, ended <-chan error) (why string, read bool) {
	limit := time.NewTimer(r.maxTime)
	defer limit.Stop()
	look := time.NewTicker(rateLook)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return r.dismiss(refusedStop, "the other side was stopped"), false
		case <-limit.C:
			return r.dismiss(refusedTime, fmt.Sprintf("the other side allows runs of %s", r.maxTime)), false
		case <-look.C:
			if r.tooFast(ctx) {
				return r.dismiss(refusedRate, fmt.Sprintf("the other side allows %d bit/s, and more arrived", r.maxRate)), false
			}
		case err := <-ended:
			return vanished(err), true
		case q := <-requests:
			if q.Op == opBye {
				return "done", false
			}
			if err := r.answer(ctx, q); err != nil {
				return vanished(err), false
			}
		}
	}
}

func vanished(err error) string {
	if errors.Is(err, io.EOF) {
		return "closed by the client"
	}
	if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
		return fmt.Sprintf("nothing was heard for %s", idleTime)
	}
	return "broken off: " + err.Error()
}

// dismiss says the last word. The run ends whether or not it is heard.
func (r *serverRun) dismiss(why refusal, text string) string {
	_ = r.write(&reply{Refused: why, Error: text})
	return "ended: " + text
}

func (r *serverRun) write(m *reply) error {
	if err := r.conn.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
		return err
	}
	return writeFrame(r.conn, m)
}

// answer does one request.
func (r *serverRun) answer(ctx context.Context, q *request) error {
	answer := &reply{Number: q.Number}
	var err error
	switch q.Op {
	case opStart:
		err = r.start(ctx, q, answer)
	case opTally, opFinish:
		err = r.tally(ctx, q, answer)
	}
	if err != nil {
		answer.Error = clip(err.Error(), maxText)
	}
	return r.write(answer)
}

func (r *serverRun) start(ctx context.Context, q *request, answer *reply) error {
	if len(r.jobs) >= maxJobs {
		return fmt.Errorf("%d jobs are under way, as many as are allowed", len(r.jobs))
	}
	s, err := r.station(listenAddr(q.Host))
	if err != nil {
		return err
	}
	remote, err := s.Start(ctx, r.guest.limit(q.job()))
	if err != nil {
		return err
	}
	r.started++
	answer.Job, answer.Port = uint32(r.started), remote.Addr().Port()
	r.jobs[answer.Job] = remote
	return nil
}

// station is the one of an address, made when it is first needed.
func (r *serverRun) station(addr netip.Addr) (station, error) {
	if s := r.stations[addr]; s != nil {
		return s, nil
	}
	if len(r.stations) >= maxHosts {
		return nil, fmt.Errorf("%d addresses are in use, as many as are allowed", len(r.stations))
	}
	s := openStation(addr, r.throttle)
	r.stations[addr] = s
	return s, nil
}

// tally answers opTally and opFinish. A job that has ended by itself has both a tally and an error.
func (r *serverRun) tally(ctx context.Context, q *request, answer *reply) error {
	remote := r.jobs[q.Job]
	if remote == nil {
		return fmt.Errorf("there is no job %d", q.Job)
	}
	ask := remote.Tally
	if q.Op == opFinish {
		ask = remote.Finish
		delete(r.jobs, q.Job)
	}
	t, err := ask(ctx)
	answer.Tally = newTally(t)
	if q.Op == opFinish {
		r.finished += t.Bytes
	}
	return err
}

// tooFast looks at what arrived since the last look, and reports whether the client ignores the limit.
func (r *serverRun) tooFast(ctx context.Context) bool {
	if r.maxRate == 0 {
		return false
	}
	total := r.finished
	for _, remote := range r.jobs {
		t, _ := remote.Tally(ctx) // a job that has ended still has its tally
		total += t.Bytes
	}
	now := time.Now()
	rate := float64(total-r.seen) * 8 / now.Sub(r.looked).Seconds()
	r.seen, r.looked = total, now
	if rate <= rateSlack*float64(r.maxRate) {
		r.fast = 0
		return false
	}
	r.fast++
	return r.fast >= rateLooks
}
