package firewall

import (
	"context"
	"errors"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// watch runs Watch in vm until the test ends and hands over each call of changed.
func (s *site) watch() <-chan struct{} {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	calls, ended := make(chan struct{}, 1), make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		ended <- s.vm.Do(func() error {
			return s.rules.Watch(ctx, func() {
				select {
				case calls <- struct{}{}:
				default:
				}
			})
		})
	}()
	s.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			s.t.Errorf("Watch: %v", err)
		}
	})
	s.until("Watch listens", func() bool {
		s.run(s.vm, "nft add table inet ping; nft delete table inet ping")
		select {
		case <-calls:
			return true
		case <-time.After(2 * settle):
			return false
		}
	})
	return calls
}

// until waits for a condition that others bring about on their own time.
func (s *site) until(what string, holds func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("waited in vain for: %s", what)
		}
	}
}

func TestWatchTellsOfAFlushAndSetRepairsIt(t *testing.T) {
	s := newSite(t)
	s.set(wanted())
	want := s.ruleset()
	calls := s.watch()
	s.run(s.vm, "nft flush ruleset")
	for start := time.Now(); s.ruleset() != want; {
		select {
		case <-calls:
			s.set(wanted())
		case <-time.After(patience):
			t.Fatalf("no news for %v", time.Since(start))
		}
	}
}

// scriptedSocket answers each Read with the next error.
type scriptedSocket struct{ errs []error }

func (s *scriptedSocket) Read(b []byte) (int, error) {
	err := s.errs[0]
	s.errs = s.errs[1:]
	return len(b), err
}

func (s *scriptedSocket) SetReadDeadline(time.Time) error { return nil }

func TestABurstIsGatheredLostNewsIsNewsAndADeadSocketIsAnError(t *testing.T) {
	dead := errors.New("dead")
	lost := &os.PathError{Op: "read", Path: "netlink", Err: unix.ENOBUFS}
	socket := &scriptedSocket{[]error{lost, nil, nil, os.ErrDeadlineExceeded, nil, dead}}
	if err := gather(socket); err != nil || len(socket.errs) != 2 {
		t.Errorf("gather = %v, and %d answers are left, want 2", err, len(socket.errs))
	}
	if err := gather(socket); !errors.Is(err, dead) {
		t.Errorf("gather = %v, want %v", err, dead)
	}
}
