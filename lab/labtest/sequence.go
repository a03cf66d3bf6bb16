package labtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
	"time"
)

// Sequence is a TCP connection between two places that carries a known sequence until it is ended.
type Sequence struct {
	conn     net.Conn
	listener net.Listener
	stop     chan struct{}
	sent     chan result
	received chan result
}

// dialPatience is how long the connection may take to open.
const dialPatience = 30 * time.Second

// streamSeed is that of the sequence.
var streamSeed = [32]byte{'s', 'e', 'q', 'u', 'e', 'n', 'c', 'e'}

// result is what one end made of the sequence.
type result struct {
	bytes int64
	err   error
}

// StartSequence opens the connection to an address of the place to.
func StartSequence(t *testing.T, from, to Place, addr netip.Addr) *Sequence {
	t.Helper()
	s := &Sequence{stop: make(chan struct{}), sent: make(chan result, 1), received: make(chan result, 1)}
	err := to.Do(func() (err error) {
		s.listener, err = net.Listen("tcp", netip.AddrPortFrom(addr, 0).String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.listener.Close() })
	go func() { s.received <- receiveSequence(s.listener) }()
	err = from.Do(func() (err error) {
		s.conn, err = (&net.Dialer{Timeout: dialPatience}).Dial("tcp", s.listener.Addr().String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.conn.Close() })
	go func() { s.sent <- s.send() }()
	return s
}

// send writes a piece of the sequence every few milliseconds.
func (s *Sequence) send() (r result) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	sequence, piece := rand.NewChaCha8(streamSeed), make([]byte, 16<<10)
	for {
		_, _ = sequence.Read(piece) // never fails
		n, err := s.conn.Write(piece)
		r.bytes += int64(n)
		if err != nil {
			r.err = err
			return r
		}
		select {
		case <-s.stop:
			r.err = s.conn.(*net.TCPConn).CloseWrite()
			return r
		case <-tick.C:
		}
	}
}

// receiveSequence compares what comes with the sequence, until the other end closes.
func receiveSequence(l net.Listener) (r result) {
	conn, err := l.Accept()
	if err != nil {
		return result{err: err}
	}
	defer conn.Close()
	sequence, got, want := rand.NewChaCha8(streamSeed), make([]byte, 64<<10), make([]byte, 64<<10)
	for {
		n, err := conn.Read(got)
		_, _ = sequence.Read(want[:n]) // never fails
		switch {
		case !bytes.Equal(got[:n], want[:n]):
			return result{r.bytes, fmt.Errorf("different bytes within %d of %d", n, r.bytes)}
		case errors.Is(err, io.EOF):
			return result{bytes: r.bytes + int64(n)}
		case err != nil:
			return result{r.bytes, err}
		}
		r.bytes += int64(n)
	}
}

// End ends the stream and says what was wrong with it.
func (s *Sequence) End(ctx context.Context) error {
	close(s.stop)
	var sent, received result
	for _, r := range []struct {
		from chan result
		to   *result
	}{{s.sent, &sent}, {s.received, &received}} {
		select {
		case *r.to = <-r.from:
		case <-ctx.Done():
			return fmt.Errorf("the stream stands still: %w", ctx.Err())
		}
	}
	if err := errors.Join(sent.err, received.err); err != nil {
		return err
	}
	if sent.bytes != received.bytes {
		return fmt.Errorf("%d of %d bytes arrived", received.bytes, sent.bytes)
	}
	return nil
}
