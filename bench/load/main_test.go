package load

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"
)

var loopback = netip.MustParseAddr("127.0.0.1")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testServer is a far end on loopback that must have no jobs left when the test ends.
func testServer(t *testing.T) *Server { return testLimited(t, ServerOptions{}) }

func testLimited(t *testing.T, o ServerOptions) *Server {
	t.Helper()
	s := NewLimitedServer(Here{}, loopback, o)
	t.Cleanup(func() {
		if n := s.Jobs(); n > 0 {
			t.Errorf("%d jobs are left", n)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// soon is a context for what takes milliseconds on an idle machine.
func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// await waits until the condition holds.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx := soon(t)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatalf("did not happen: %s", what)
		case <-tick.C:
		}
	}
}

// start starts a job with a token of the test.
func start(t *testing.T, s *Server, kind Kind) (Remote, *near) {
	t.Helper()
	n, err := begin(soon(t), "a test", Here{}, s, kind, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = n.remote.Finish(context.Background()) })
	return n.remote, n
}

// tally is the tally of a job that must be well.
func tally(t *testing.T, r Remote) Tally {
	t.Helper()
	got, err := r.Tally(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	return got
}
