package load

import (
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"
)

// gate is a path that can be shut: then it keeps what comes until the next comes when it is open.
type gate struct{ shut atomic.Bool }

func (g *gate) pipe(from, to net.Conn, up bool) {
	defer to.Close()
	b := make([]byte, 4096)
	var kept []byte
	for {
		n, err := from.Read(b)
		if err != nil {
			return
		}
		if kept = append(kept, b[:n]...); g.shut.Load() {
			continue
		}
		if _, err := to.Write(kept); err != nil {
			return
		}
		kept = kept[:0]
	}
}

func TestAGapIsMeasuredAtTheReceiverWithItsWholeLength(t *testing.T) {
	g := &gate{}
	s, err := StartStream(soon(t), Here{}, relayed{Far: testServer(t), pipe: g.pipe}, StreamOptions{})
	if err != nil {
		t.Fatal(err)
	}
	g.shut.Store(true)
	const gap = 60 * time.Millisecond
	time.AfterFunc(gap, func() { g.shut.Store(false) }) // while Stop waits
	r, err := s.Stop()
	if err != nil {
		t.Fatal(err)
	}
	if !r.Survived || r.Bytes != r.Sent || r.LongestGap < gap-10*time.Millisecond {
		t.Errorf("%+v; want a gap of about %v, and all that was sent", r, gap)
	}
}

func TestABrokenStreamHasNotSurvived(t *testing.T) {
	var conn atomic.Pointer[net.TCPConn]
	far := relayed{Far: testServer(t), pipe: func(from, to net.Conn, up bool) {
		if up {
			conn.Store(from.(*net.TCPConn))
		}
		_, _ = io.Copy(to, from)
	}}
	s, err := StartStream(soon(t), Here{}, far, StreamOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Load().SetLinger(0)
	conn.Load().Close()
	r, err := s.Stop()
	if err != nil || r.Survived {
		t.Errorf("%+v, %v; want a broken stream", r, err)
	}
}

func TestAStreamThatStandsStillHasNotSurvivedAndHasTheGap(t *testing.T) {
	g := &gate{}
	far := relayed{Far: testServer(t), pipe: g.pipe}
	s, err := StartStream(soon(t), Here{}, far, StreamOptions{Settle: 30 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	g.shut.Store(true)
	r, err := s.Stop()
	if err != nil || r.Survived || r.Bytes >= r.Sent || r.LongestGap < 30*time.Millisecond {
		t.Errorf("%+v, %v; want a stream that stood still for 30 ms and more", r, err)
	}
}

func TestAnUndisturbedStreamSurvives(t *testing.T) {
	s, err := StartStream(soon(t), Here{}, testServer(t), StreamOptions{Interval: 100 * time.Microsecond, Size: 1000})
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Stop()
	if err != nil || !r.Survived || r.Bytes < 1000 || r.Bytes%1000 != 0 || r.LongestGap <= 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestAStreamEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s, err := StartStream(ctx, Here{}, testServer(t), StreamOptions{})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := s.Stop(); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestAStreamThatCannotBeginLeavesNothing(t *testing.T) {
	far := relayed{Far: testServer(t), pipe: func(from, to net.Conn, up bool) { from.Close(); to.Close() }}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := StartStream(ctx, Here{}, far, StreamOptions{}); err == nil {
		t.Error("no error")
	}
	if _, err := StartStream(ctx, Here{}, far, StreamOptions{Size: -1}); err == nil {
		t.Error("no error for a size below 1")
	}
}
