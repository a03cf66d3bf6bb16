package between

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/version"
)

const (
	greetTime  = 5 * time.Second  // for a client to say hello, from the moment it is connected
	idleTime   = 20 * time.Second // without a request, after which a client has vanished
	writeTime  = 5 * time.Second  // for a message to leave: they are far smaller than the socket's buffer
	maxPending = 16               // connections that are being admitted at once; one of these may become the run
)

// Serve lets overlay peers and those whom o allows measure to this machine until ctx ends; then it ends the run under way,
// says what was served, and returns nil. An error of options that cannot be wraps ErrUsage.
func Serve(ctx context.Context, o ServeOptions) error {
	s, err := listen(ctx, o)
	if err != nil {
		return err
	}
	return s.serve(ctx)
}

// server takes control connections. Its fields do not change; busy guards the one run.
type server struct {
	options   ServeOptions
	admission *admission
	journal   *journal
	listener  net.Listener
	node      string        // name of the local node; empty: there is no daemon
	pending   chan struct{} // a token of each connection that is being admitted
	busy      chan string   // holds the name of the client that measures
}

// listen checks the options and opens the port.
func listen(ctx context.Context, o ServeOptions) (*server, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &server{
		options: o, admission: newAdmission(o), journal: newJournal(o.Out),
		pending: make(chan struct{}, maxPending), busy: make(chan string, 1),
	}
	if err := s.meetDaemon(ctx); err != nil {
		return nil, err
	}
	s.listener, err = new(net.ListenConfig).Listen(ctx, "tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("between: %w", err)
	}
	return s, nil
}

// meetDaemon learns the node's name. Without a daemon the server needs prefixes that are allowed.
func (s *server) meetDaemon(ctx context.Context) error {
	if s.admission.ask == nil {
		return nil
	}
	status, err := s.admission.ask(ctx)
	switch {
	case err == nil:
		s.node = printable(status.Node.Name)
	case len(s.options.Allow) > 0 && errors.Is(err, api.ErrNotRunning):
		s.journal.say("no daemon answers: only %s may measure until it runs", prefixes(s.options.Allow))
	default:
		return fmt.Errorf("between: who are the peers: %w", err)
	}
	return nil
}

func (s *server) serve(ctx context.Context) error {
	s.journal.say("listening on %s for %s; %s at most for each run", s.listener.Addr(), s.audience(), s.options.MaxTime)
	stop := context.AfterFunc(ctx, func() { s.listener.Close() })
	defer stop()
	defer s.listener.Close()
	var wait sync.WaitGroup
	err := s.accept(ctx, &wait)
	wait.Wait()
	if ctx.Err() != nil {
		err = nil
	}
	s.journal.say("%s", s.journal.sum())
	return err
}

// audience says who may measure.
func (s *server) audience() string {
	switch {
	case s.node == "":
		return prefixes(s.options.Allow)
	case len(s.options.Allow) == 0:
		return "overlay peers of " + s.node
	}
	return "overlay peers of " + s.node + " and " + prefixes(s.options.Allow)
}

// accept takes connections until the listener is closed. A lack of descriptors or memory passes.
func (s *server) accept(ctx context.Context, wait *sync.WaitGroup) error {
	for {
		conn, err := s.listener.Accept()
		switch {
		case err == nil:
			s.receive(ctx, conn.(*net.TCPConn), wait)
		case ctx.Err() != nil:
			return nil
		case isShortage(err):
			pause(ctx, 100*time.Millisecond)
		default:
			return fmt.Errorf("between: accept: %w", err)
		}
	}
}

// receive admits a connection in a goroutine of its own, or closes it when there are too many at once.
func (s *server) receive(ctx context.Context, conn *net.TCPConn, wait *sync.WaitGroup) {
	select {
	case s.pending <- struct{}{}:
	default:
		s.journal.stranger(remoteAddr(conn), "too many connections at once")
		hangUp(conn)
		return
	}
	wait.Go(func() {
		defer func() { <-s.pending }()
		s.handle(ctx, conn)
	})
}

func (s *server) handle(ctx context.Context, conn *net.TCPConn) {
	addr := remoteAddr(conn)
	g, err := s.admission.who(ctx, addr)
	if g == nil {
		s.journal.stranger(addr, refusalText(err))
		hangUp(conn)
		return
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Now()) }) // ends a wait for the hello
	err = s.greet(conn)
	stop()
	if err != nil && ctx.Err() == nil {
		s.journal.stranger(addr, err.Error())
	}
	if err != nil || ctx.Err() != nil {
		return
	}
	s.run(ctx, conn, *g)
}

func refusalText(err error) string {
	if err != nil {
		return err.Error()
	}
	return "neither an overlay address of a peer that is up nor allowed"
}

// greet exchanges prefaces and reads the hello.
func (s *server) greet(conn net.Conn) error {
	if err := conn.SetDeadline(time.Now().Add(greetTime)); err != nil {
		return err
	}
	theirs := readPreface(conn)
	if other := new(VersionError); theirs != nil && !errors.As(theirs, &other) {
		return theirs // no bench of weft: it gets no answer
	}
	if err := errors.Join(writePreface(conn), theirs); err != nil {
		return err
	}
	return readFrame(conn, new(hello))
}

// run gives the client the one place that there is, or says that it is taken.
func (s *server) run(ctx context.Context, conn net.Conn, g guest) {
	w := &welcome{
		Weft: clip(version.Get().Version, maxName), Node: clip(s.node, maxName),
		Host: clip(thisHost(), maxName), MaxTime: s.options.MaxTime, MaxWithin: maxWithin, MaxRate: s.options.MaxRate,
	}
	select {
	case s.busy <- g.name:
		defer func() { <-s.busy }()
	default:
		w.Refused, w.Reason = refusedBusy, "another client measures"
	}
	if err := writeFrame(conn, w); err != nil || w.Refused != taken {
		return
	}
	s.journal.say("%s measures", g.name)
	r := newRun(conn, g, s.options)
	why := r.serve(ctx)
	s.journal.ran("%s: %s after %s, %s", g.name, why, time.Since(r.began).Round(time.Second/10), count(r.started, "job"))
}

// remoteAddr is who is connected; an IPv4 address in its own form.
func remoteAddr(conn net.Conn) netip.Addr {
	addr, _ := netip.ParseAddrPort(conn.RemoteAddr().String()) // of a TCP connection it always is one
	return addr.Addr().Unmap().WithZone("")
}

// hangUp closes with a reset, so that strangers leave nothing behind in TIME_WAIT.
func hangUp(conn *net.TCPConn) {
	_ = conn.SetLinger(0) // of a connection that is gone already
	conn.Close()
}

// isShortage reports whether the machine lacks what a later connection may have again.
func isShortage(err error) bool {
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// pause waits for d or the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
