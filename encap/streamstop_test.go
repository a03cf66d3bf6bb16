package encap_test

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/encap/simnet"
)

// stopping is a listener of connections that end a context with the first bytes that are written to them.
type stopping struct {
	net.Listener
	cancel context.CancelFunc
}

func (l stopping) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return stoppingConn{conn, l.cancel}, err
}

type stoppingConn struct {
	net.Conn
	cancel context.CancelFunc
}

func (c stoppingConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.cancel()
	return n, err
}

func TestARefusalIsToldAndEndsNothingLateWhenTheNodeStopsMeanwhile(t *testing.T) {
	for name, atTheAnswer := range map[string]bool{"as it is said": true, "while it lingers": false} {
		bubble(t, func(t *testing.T, _ *simnet.Network, a, b *end) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var ln net.Listener = b.host.ListenTCP(testPort)
			if atTheAnswer {
				ln = stopping{ln, cancel}
			}
			done := make(chan error, 1)
			go func() { done <- b.streams.Serve(ctx, ln, func(*encap.Stream) {}) }()
			foreign := secret(9).ClusterID
			conn := rawDial(t, a) // which nobody closes
			conn.Write(append([]byte("WEFT\x01"), foreign[:]...))
			if _, err := io.ReadFull(conn, make([]byte, 19)); err != nil && !atTheAnswer {
				t.Fatal(err)
			}
			began := time.Now()
			cancel()
			if err := <-done; err != nil || time.Since(began) > time.Second {
				t.Errorf("%s: it ends after %v, %v", name, time.Since(began), err)
			}
			if c := b.streams.Counts(); c.Refused != 1 || b.lastRefused(t).Reason != encap.RefusedSecret {
				t.Errorf("%s: counts %+v", name, c)
			}
		})
	}
}
