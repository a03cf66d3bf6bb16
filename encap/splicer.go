package encap

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weftnet/weft/trust"
)

// Bounds of what one node joins for others.
const (
	maxSplices     = 64              // at once
	splicesPerPeer = 8               // of one dialer
	spliceLife     = 1 * time.Minute // gossip's streams take seconds
	spliceBytes    = 32 << 20        // each way: ten times the claims of 500 nodes
	spliceGrace    = 1 * time.Second // for the other way, when one has ended
	spliceDial     = 1 * time.Second // to call a node, before it is asked to call
	spliceReach    = 3 * time.Second // in all, so that the dialer's handshake goes on in time
	spliceAskGap   = 500 * time.Millisecond
)

var (
	errJoinsNone   = errors.New("it joins no streams")
	errManySplices = errors.New("it joins too many streams at present")
	errUnasked     = errors.New("it has not asked for the stream")
	errNoAnswer    = errors.New("the node does not answer")
)

// SpliceWay is how a node reaches another for a stream that it joins to one of that.
type SpliceWay struct {
	At  netip.AddrPort        // where the other accepts streams; invalid: it cannot be called
	Ask func(id uint64) error // sends it a SpliceCall; nil: it cannot be asked
}

// splicer joins streams of others. Its methods may be called from any goroutine.
type splicer struct {
	bytes atomic.Uint64 // carried, both ways

	mu      sync.Mutex // guards what follows
	count   int
	by      map[trust.Fingerprint]int
	waiting map[uint64]*awaited
}

// awaited is a stream that a node was asked for.
type awaited struct {
	of   trust.Fingerprint
	came chan net.Conn // holds one
}

// enter reports whether one more stream may be joined for a dialer; if so, leave must follow.
func (s *splicer) enter(of trust.Fingerprint) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.count >= maxSplices || s.by[of] >= splicesPerPeer {
		return false
	}
	if s.by == nil {
		s.by = map[trust.Fingerprint]int{}
	}
	s.count++
	s.by[of]++
	return true
}

func (s *splicer) leave(of trust.Fingerprint) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count--
	if s.by[of]--; s.by[of] == 0 {
		delete(s.by, of)
	}
}

// expect waits for a stream that answers id; forget must follow.
func (s *splicer) expect(id uint64, of trust.Fingerprint) *awaited {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting == nil {
		s.waiting = map[uint64]*awaited{}
	}
	w := &awaited{of: of, came: make(chan net.Conn, 1)}
	s.waiting[id] = w
	return w
}

// forget ends the wait; one that came and was not taken is closed.
func (s *splicer) forget(id uint64, w *awaited) {
	s.mu.Lock()
	delete(s.waiting, id)
	s.mu.Unlock()
	select {
	case late := <-w.came:
		late.Close()
	default:
	}
}

// expects reports whether a node was asked for a stream under that id.
func (s *splicer) expects(id uint64, of trust.Fingerprint) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.waiting[id]
	return w != nil && w.of == of
}

// deliver hands a stream that answers id to who waits for it, and reports whether somebody did.
func (s *splicer) deliver(id uint64, of trust.Fingerprint, conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.waiting[id]
	if w == nil || w.of != of {
		return false
	}
	delete(s.waiting, id)
	w.came <- conn
	return true
}

// prepare does what the hello on an accepted stream asks for, before the verdict.
func (s *Streams) prepare(ctx context.Context, stream *Stream, from netip.AddrPort) *RefusedError {
	asked, who := stream.remote.Splice, stream.remote.Keys.Fingerprint()
	var err error
	switch {
	case asked.Answer != 0:
		if !s.splicer.expects(asked.Answer, who) {
			err = errUnasked
		}
	case asked.To.IsZero():
	case asked.To == s.cfg.Local.Identity.Fingerprint():
		stream.through, stream.remote.Observed = true, netip.AddrPort{}
	default:
		stream.far, err = s.reach(ctx, who, asked.To)
	}
	if err != nil {
		return &RefusedError{Addr: from, Name: stream.remote.Name, Reason: RefusedSplice, Ours: err.Error()}
	}
	return nil
}

// reach opens a connection to a node, on behalf of the dialer from, which counts as joined from here on.
func (s *Streams) reach(ctx context.Context, from, to trust.Fingerprint) (net.Conn, error) {
	if s.cfg.Way == nil {
		return nil, errJoinsNone
	}
	way, err := s.cfg.Way(from, to)
	if err != nil {
		return nil, err
	}
	if !s.splicer.enter(from) {
		return nil, errManySplices
	}
	ctx, cancel := context.WithTimeout(ctx, spliceReach)
	defer cancel()
	conn, err := s.connect(ctx, to, way)
	if err != nil {
		s.splicer.leave(from)
	}
	return conn, err
}

// connect calls a node, and where that does not work asks it to call.
func (s *Streams) connect(ctx context.Context, to trust.Fingerprint, way SpliceWay) (net.Conn, error) {
	err := errNoAnswer
	if way.At.IsValid() {
		var conn net.Conn
		dialing, cancel := context.WithTimeout(ctx, spliceDial)
		conn, err = s.cfg.Dialer.DialContext(dialing, "tcp", way.At.String())
		cancel()
		if err == nil {
			return conn, nil
		}
	}
	if way.Ask == nil {
		return nil, err
	}
	return s.askFor(ctx, to, way.Ask)
}

// askFor asks a node for a stream until it comes or ctx ends.
func (s *Streams) askFor(ctx context.Context, of trust.Fingerprint, ask func(id uint64) error) (net.Conn, error) {
	var raw [8]byte
	if _, err := io.ReadFull(s.cfg.Local.random(), raw[:]); err != nil {
		return nil, fmt.Errorf("encap: make an id: %w", err)
	}
	id := max(1, binary.BigEndian.Uint64(raw[:]))
	w := s.splicer.expect(id, of)
	defer s.splicer.forget(id, w)
	again := time.NewTicker(spliceAskGap)
	defer again.Stop()
	for {
		if err := ask(id); err != nil {
			return nil, err
		}
		select {
		case conn := <-w.came:
			return conn, nil
		case <-ctx.Done():
			return nil, errNoAnswer
		case <-again.C:
		}
	}
}

// unreach gives up a stream that did not come about, and what it was to be joined to.
func (s *Streams) unreach(stream *Stream) {
	if stream != nil && stream.far != nil {
		stream.far.Close()
		s.splicer.leave(stream.remote.Keys.Fingerprint())
	}
}

// use gives an accepted stream to whom it is for.
func (s *Streams) use(ctx context.Context, stream *Stream, handle func(*Stream)) {
	switch answers := stream.remote.Splice.Answer; {
	case stream.far != nil:
		s.join(ctx, stream, stream.far)
	case answers == 0:
		handle(stream)
	case !s.splicer.deliver(answers, stream.remote.Keys.Fingerprint(), stream):
		stream.Close()
	}
}

// join carries bytes between two connections until both ways have ended, or the bounds are reached, and closes both.
func (s *Streams) join(ctx context.Context, near *Stream, far net.Conn) {
	s.counts[streamSpliced].Add(1)
	defer s.splicer.leave(near.remote.Keys.Fingerprint())
	end := func() {
		near.Close()
		far.Close()
	}
	defer end()
	stop := context.AfterFunc(ctx, end)
	defer stop()
	setDeadlines(time.Now().Add(spliceLife), near, far)
	ended := make(chan struct{}, 2)
	carry := func(to, from net.Conn) {
		n, _ := io.Copy(to, io.LimitReader(from, spliceBytes)) // whichever end failed, both are told
		s.splicer.bytes.Add(uint64(n))
		ended <- struct{}{}
	}
	go carry(far, near)
	go carry(near, far)
	<-ended
	setDeadlines(time.Now().Add(spliceGrace), near, far)
	<-ended
}

func setDeadlines(t time.Time, conns ...net.Conn) {
	for _, c := range conns {
		_ = c.SetDeadline(t) // fails only on a closed connection
	}
}
