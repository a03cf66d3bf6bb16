package load

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestEveryConnectionIsAnsweredAndCountedAtBothEnds(t *testing.T) {
	s := testServer(t)
	n, err := begin(soon(t), "connections", Here{}, s, AcceptTCP, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	workers, err := n.connect(soon(t), ConnectionsOptions{Workers: 3}, time.Now().Add(30*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	var opened uint64
	for _, w := range workers {
		if opened += uint64(w.opened); w.failed > 0 {
			t.Errorf("%d failed: %v", w.failed, w.last)
		}
	}
	got := n.finish(soon(t), &err)
	if err != nil || got.Connections < opened || got.Connections > opened+3 {
		t.Errorf("opened %d, answered %d (and 3 after the end at most), %v", opened, got.Connections, err)
	}
}

func TestConnectionsThatAreClosedUnansweredFail(t *testing.T) {
	var n atomic.Int64
	far := relayed{Far: testServer(t), pipe: func(from, to net.Conn, up bool) {
		if up {
			if n.Add(1)%2 == 0 {
				from.Close()
				to.Close()
				return
			}
		}
		copyAll(from, to, up)
	}}
	r, err := Connections(soon(t), Here{}, far, ConnectionsOptions{Workers: 1, Duration: 100 * time.Millisecond})
	if err != nil {
		t.Skip("the machine is too slow for a single connection:", err)
	}
	if r.Opened > 2 && r.Failed == 0 || r.PerSecond != float64(r.Opened)*10 {
		t.Errorf("%+v; want every other connection to fail", r)
	}
}

func TestConnectionsWithoutAnAnswerAreAnErrorThatSaysWhy(t *testing.T) {
	far := relayed{Far: testServer(t), pipe: func(from, to net.Conn, up bool) { from.Close(); to.Close() }}
	_, err := Connections(soon(t), Here{}, far, ConnectionsOptions{Duration: 20 * time.Millisecond})
	if !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), "connections from this host to 127.0.0.1:") {
		t.Errorf("error = %v", err)
	}
}

func TestConnectionsEndWithTheirContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s := testServer(t)
	done := make(chan error)
	go func() {
		_, err := Connections(ctx, Here{}, s, ConnectionsOptions{Duration: time.Minute})
		done <- err
	}()
	await(t, "the job runs", func() bool { return s.Jobs() > 0 })
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestConnectionsRefusesTooManyWorkers(t *testing.T) {
	for _, o := range []ConnectionsOptions{{Workers: 65, Duration: 1}, {Workers: -1, Duration: 1}, {}} {
		if _, err := Connections(soon(t), Here{}, testServer(t), o); err == nil {
			t.Errorf("%+v: no error", o)
		}
	}
}
