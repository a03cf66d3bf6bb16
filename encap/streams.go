package encap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weftnet/weft/trust"
)

// Dialer opens TCP connections; *net.Dialer is one.
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// StreamsConfig is what Streams are made of.
type StreamsConfig struct {
	Local   *Local
	Boot    trust.BootNonce
	Started time.Time // of this run of the node
	Port    uint16    // where this node listens
	Dialer  Dialer    // nil: &net.Dialer{}

	Admission *trust.Admission // who may take part; nil: whoever has the cluster's secret

	// OnRefused hears which node was refused for its secret or settings; Dial says so itself. It is called from many
	// goroutines and must not block. Whoever reaches the port can have it called: what it logs is to be limited.
	OnRefused func(*RefusedError)

	Timeout   time.Duration // of a handshake. Default 5 s
	Max       int           // handshakes accepted at once. Default 128
	PerSource int           // of one IPv4 address or IPv6 /64. Default 8

	MaxOpen       int // accepted streams that are open at once. Default 512
	OpenPerSource int // of one IPv4 address or IPv6 /64. Default 64

	// Way says how a stream of one node may be joined to another; the error is a clause for people on that node, such as "it has
	// no path to vm-3". It is called from many goroutines. nil: no streams are joined.
	Way func(from, to trust.Fingerprint) (SpliceWay, error)
}

// Streams opens and accepts streams. It may be used from any goroutine.
type Streams struct {
	cfg    StreamsConfig
	limit  sourceLimit // of handshakes
	open   sourceLimit // of accepted streams, until they are closed
	counts [streamOutcomes]atomic.Uint64

	splicer splicer
}

type streamOutcome uint8

const (
	streamAccepted streamOutcome = iota
	streamGarbage
	streamRefused
	streamUncertified
	streamBusy
	streamFailed
	streamSpliced
	streamUnspliced
	streamOutcomes
)

// StreamCounts says what became of the connections accepted.
type StreamCounts struct {
	Accepted uint64 `json:"accepted"`
	Garbage  uint64 `json:"garbage"` // did not begin as a stream
	Refused  uint64 `json:"refused"` // another secret or setting
	Busy     uint64 `json:"busy"`    // over a limit
	Failed   uint64 `json:"failed"`  // cut off, too slow, or not authentic

	Uncertified uint64 `json:"uncertified"` // one end does not admit the other

	Spliced      uint64 `json:"spliced"`       // joined to a stream of another node
	Unspliced    uint64 `json:"unspliced"`     // asked for that in vain
	SplicedBytes uint64 `json:"spliced_bytes"` // carried between streams that were joined, both ways, once they have ended
}

// NewStreams makes Streams; no connection is opened.
func NewStreams(cfg StreamsConfig) *Streams {
	if cfg.Dialer == nil {
		cfg.Dialer = &net.Dialer{}
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 5 * time.Second
	}
	if cfg.Max == 0 {
		cfg.Max = 128
	}
	if cfg.PerSource == 0 {
		cfg.PerSource = 8
	}
	if cfg.MaxOpen == 0 {
		cfg.MaxOpen = 512
	}
	if cfg.OpenPerSource == 0 {
		cfg.OpenPerSource = 64
	}
	return &Streams{
		cfg: cfg, limit: sourceLimit{total: cfg.Max, each: cfg.PerSource},
		open: sourceLimit{total: cfg.MaxOpen, each: cfg.OpenPerSource},
	}
}

// Counts are the totals since the start.
func (s *Streams) Counts() StreamCounts {
	c := func(o streamOutcome) uint64 { return s.counts[o].Load() }
	return StreamCounts{
		Accepted: c(streamAccepted), Garbage: c(streamGarbage), Refused: c(streamRefused), Busy: c(streamBusy), Failed: c(streamFailed),
		Uncertified: c(streamUncertified),
		Spliced:     c(streamSpliced), Unspliced: c(streamUnspliced), SplicedBytes: s.splicer.bytes.Load(),
	}
}

// Dial opens a stream. The error wraps a *RefusedError when the other end is a weft node that will not have us, or we
// will not have it.
func (s *Streams) Dial(ctx context.Context, addr netip.AddrPort) (*Stream, error) {
	return s.dial(ctx, addr, Splice{})
}

// dial opens a stream, and says what it is for.
func (s *Streams) dial(ctx context.Context, addr netip.AddrPort, splice Splice) (*Stream, error) {
	conn, err := s.cfg.Dialer.DialContext(ctx, "tcp", addr.String())
	var op *net.OpError
	if errors.As(err, &op) { // which names the address, too
		err = op.Err
	}
	if err != nil {
		return nil, fmt.Errorf("encap: dial %s: %w", addr, err)
	}
	stop := s.bound(ctx, conn)
	stream, err := s.greet(conn, addr, splice)
	if !stop() { // ctx ended and closed conn
		err = context.Cause(ctx)
	}
	if err != nil {
		conn.Close()
		var refused *RefusedError
		if errors.As(err, &refused) {
			return nil, err
		}
		return nil, fmt.Errorf("encap: stream to %s: %w", addr, err)
	}
	return stream, conn.SetDeadline(time.Time{})
}

// bound lets the handshake on conn end at the deadline or with ctx. stop reports whether ctx had no part in it.
func (s *Streams) bound(ctx context.Context, conn net.Conn) (stop func() bool) {
	_ = conn.SetDeadline(time.Now().Add(s.cfg.Timeout)) // fails only on a closed connection
	return context.AfterFunc(ctx, func() { conn.Close() })
}

// Serve accepts streams until ctx ends or ln is closed, and closes ln. Each stream is handed to handle in a goroutine of
// its own, and counts for the limits until it is closed. Serve returns when no handshake is under way any more; it does not wait for handle.
func (s *Streams) Serve(ctx context.Context, ln net.Listener, handle func(*Stream)) error {
	stop := context.AfterFunc(ctx, func() { ln.Close() })
	defer stop()
	defer ln.Close()
	var handshakes sync.WaitGroup
	defer handshakes.Wait()
	for pause := time.Duration(0); ; {
		conn, err := ln.Accept()
		switch {
		case err == nil:
			pause = 0
			s.admit(ctx, conn, handle, &handshakes)
		case ctx.Err() != nil || errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrClosed):
			return nil
		default: // no descriptors, or a connection that ended in the queue: go on, but not in a tight loop
			pause = min(max(5*time.Millisecond, 2*pause), time.Second)
			if !wait(ctx, pause) {
				return nil
			}
		}
	}
}

func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// admit begins the handshake of one connection, or refuses it if there are too many.
func (s *Streams) admit(ctx context.Context, conn net.Conn, handle func(*Stream), handshakes *sync.WaitGroup) {
	from := addrPort(conn.RemoteAddr())
	if !s.limit.enter(from.Addr()) {
		s.turnAway(conn)
		return
	}
	handshakes.Add(1)
	go func() {
		stream := s.accept(ctx, conn, from, from.Addr())
		s.limit.leave(from.Addr())
		handshakes.Done()
		if stream != nil {
			s.use(ctx, stream, handle)
		}
	}()
}

// turnAway says busy and closes. That the answer arrives is likely, not certain: nothing waits for it.
func (s *Streams) turnAway(conn net.Conn) {
	s.counts[streamBusy].Add(1)
	_ = conn.SetDeadline(time.Now().Add(10 * time.Millisecond))
	_, _ = conn.Write(appendAnswer(nil, statusBusy, s.cfg.Local.Ring.First().ClusterID))
	conn.Close()
}

// accept does the acceptor's part of the handshake; nil: there is no stream. Who was refused was so also where ctx has ended since. The
// stream counts as one of source, from which its bytes come, whoever the dialer is.
func (s *Streams) accept(ctx context.Context, conn net.Conn, from netip.AddrPort, source netip.Addr) *Stream {
	stop := s.bound(ctx, conn)
	stream, err := s.receive(ctx, conn, from)
	outcome := s.outcomeOf(err)
	switch outcome {
	case streamAccepted:
		switch {
		case !stop(): // ctx has ended, conn is closed
			outcome = streamFailed
		case !s.open.enter(source):
			outcome = streamBusy
		default:
			s.counts[streamAccepted].Add(1)
			stream.closed = func() { s.open.leave(source) }
			_ = conn.SetDeadline(time.Time{})
			return stream
		}
	case streamRefused, streamUncertified, streamUnspliced:
		linger(conn) // until ctx ends at the latest
	}
	stop()
	s.counts[outcome].Add(1)
	s.unreach(stream)
	conn.Close()
	return nil
}

// outcomeOf is what became of a handshake that ended with err. It tells who was refused.
func (s *Streams) outcomeOf(err error) streamOutcome {
	var refused *RefusedError
	switch {
	case err == nil:
		return streamAccepted
	case errors.Is(err, errGarbage):
		return streamGarbage
	case !errors.As(err, &refused):
		return streamFailed
	case refused.Reason == RefusedSplice: // who asked says so
		return streamUnspliced
	}
	s.onRefused(refused)
	if refused.Reason == RefusedCertificate {
		return streamUncertified
	}
	return streamRefused
}

func (s *Streams) onRefused(e *RefusedError) {
	if s.cfg.OnRefused != nil {
		s.cfg.OnRefused(e)
	}
}

// linger reads until the other end closes or its time is over: a TCP connection that is closed with data unread is
// reset, and the reset overtakes the refusal.
func linger(conn net.Conn) {
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	_, _ = io.CopyN(io.Discard, conn, 4*maxHello)
}
