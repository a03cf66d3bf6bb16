package kernel

import (
	"context"
	"errors"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vishvananda/netns"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// watch runs Watch inside the namespace until the test ends and hands over each call of changed.
func (n *namespace) watch() <-chan struct{} {
	n.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	calls, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread is the namespace's and ends with the goroutine
		if err := netns.Set(n.ns); err != nil {
			ended <- err
			return
		}
		ended <- n.host.Watch(ctx, func() {
			select {
			case calls <- struct{}{}:
			case <-ctx.Done():
			}
		})
	}()
	n.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			n.t.Errorf("Watch: %v", err)
		}
	})
	n.await(calls)
	return calls
}

func (n *namespace) await(calls <-chan struct{}) {
	n.t.Helper()
	select {
	case <-calls:
	case <-time.After(patience):
		n.t.Fatal("Watch did not call")
	}
}

func TestWatchTellsOfEveryKindOfChangeAndSetRepairsIt(t *testing.T) {
	for _, damage := range []string{
		"addr del 10.244.1.1/32 dev weft0",
		"addr del fd00:244:0:1::1/128 dev weft0",
		"route del 10.244.2.0/24",
		"-6 route del fd00:244:0:2::/64",
		"link set weft0 down",
		"link set weft0 mtu 1300",
		"route del unreachable 10.244.0.0/16",
	} {
		t.Run(damage, func(t *testing.T) {
			t.Cleanup(func() { goleak.VerifyNone(t, goleak.IgnoreCurrent()) })
			n := withDevice(t)
			n.set(dualStack())
			calls := n.watch()
			n.ip(damage)
			n.await(calls)
			n.set(dualStack())
			n.isDualStack()
		})
	}
}

func TestWatchTellsThatTheDeviceIsGone(t *testing.T) {
	n := withDevice(t)
	n.set(dualStack())
	calls := n.watch()
	n.ip("link del weft0")
	n.await(calls)
}

func TestABurstOfNewsIsOneCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		ctx, cancel := context.WithCancel(context.Background())
		news := make(chan struct{}, 1)
		go coalesce(ctx, news, func() { calls.Add(1) })
		synctest.Wait()
		if got := calls.Load(); got != 1 {
			t.Errorf("%d calls at the start, want 1", got)
		}
		for range 50 { // one message each millisecond
			select {
			case news <- struct{}{}:
			default:
			}
			time.Sleep(time.Millisecond)
		}
		time.Sleep(2 * settle)
		synctest.Wait()
		if got := calls.Load(); got != 2 {
			t.Errorf("%d calls after the burst, want 2", got)
		}
		cancel()
		synctest.Wait()
	})
}

func TestSteadyNewsIsToldOfAtABoundedPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		news := make(chan struct{}, 1)
		go coalesce(t.Context(), news, func() { calls.Add(1) })
		for range 1000 {
			select {
			case news <- struct{}{}:
			default:
			}
			time.Sleep(time.Millisecond)
		}
		if got := calls.Load(); got < 5 || got > 8 {
			t.Errorf("%d calls in a second of steady news, want about %d", got, time.Second/settle)
		}
		close(news)
	})
}

// scriptedSocket answers each Read with the next error.
type scriptedSocket struct{ errs []error }

func (s *scriptedSocket) Read(b []byte) (int, error) {
	err := s.errs[0]
	s.errs = s.errs[1:]
	return len(b), err
}

func TestLostNewsIsNewsAndADeadSocketIsAnError(t *testing.T) {
	dead := errors.New("dead")
	news := make(chan struct{}, 1)
	err := listen(&scriptedSocket{[]error{&os.PathError{Op: "read", Err: unix.ENOBUFS}, dead}}, news)
	if !errors.Is(err, dead) || len(news) != 1 {
		t.Errorf("listen = %v with %d news, want %v with 1", err, len(news), dead)
	}
}
