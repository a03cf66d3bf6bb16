package measure

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/weftnet/weft/lab"
)

// iperfServer is an iperf3 that serves one client.
type iperfServer struct {
	space  *lab.Namespace
	cancel context.CancelFunc
	done   chan struct{}
	err    error // how it ended; valid when done is closed
}

func startServer(ctx context.Context, space *lab.Namespace, addr netip.Addr) *iperfServer {
	ctx, cancel := context.WithCancel(ctx)
	s := &iperfServer{space: space, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		_, s.err = space.Run(ctx, iperfProgram, "-s", "-1", "-B", addr.String(), "-p", strconv.Itoa(iperfPort))
	}()
	return s
}

// awaitReady waits until the server listens.
func (s *iperfServer) awaitReady(ctx context.Context) error {
	var failed error
	err := await(ctx, "iperf3 to listen", func() bool {
		select {
		case <-s.done:
			failed = fmt.Errorf("the server ended before it listened: %w", s.err)
			return true
		default:
		}
		var ready bool
		ready, failed = listens(s.space, iperfPort)
		return ready || failed != nil
	})
	if failed != nil {
		return failed
	}
	return err
}

// kill ends the server, if it has not ended by itself, and waits for its end.
func (s *iperfServer) kill() {
	s.cancel()
	<-s.done
}

// listens reports whether a TCP socket over IPv4 listens on a port in a namespace.
func listens(n *lab.Namespace, port int) (found bool, err error) {
	err = n.Do(func() error {
		raw, err := os.ReadFile("/proc/thread-self/net/tcp")
		found = hasListener(string(raw), port)
		return err
	})
	return found, err
}

// hasListener reads /proc/net/tcp, proc_net_tcp(5): the second column is the local address, the fourth the state, 0A is LISTEN.
func hasListener(text string, port int) bool {
	suffix := fmt.Sprintf(":%04X", port)
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) > 3 && strings.HasSuffix(f[1], suffix) && f[3] == "0A" {
			return true
		}
	}
	return false
}

// await asks every few milliseconds whether something holds, until ctx ends.
func await(ctx context.Context, what string, holds func() bool) error {
	ask := time.NewTicker(2 * time.Millisecond)
	defer ask.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", what, context.Cause(ctx))
		case <-ask.C:
		}
	}
	return nil
}
