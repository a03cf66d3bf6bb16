package router

import (
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

func newTestPoller(t *testing.T) *poller {
	t.Helper()
	p, err := newPoller()
	check(t, err)
	t.Cleanup(p.close)
	return p
}

// descriptor is a pipe's end that is readable after write, and no longer after read.
type descriptor struct {
	t    *testing.T
	r, w *os.File
}

func newDescriptor(t *testing.T) *descriptor {
	t.Helper()
	r, w, err := os.Pipe()
	check(t, err)
	t.Cleanup(func() { r.Close(); w.Close() })
	return &descriptor{t, r, w}
}

func (d *descriptor) fd() int { return int(d.r.Fd()) }

func (d *descriptor) write() {
	d.t.Helper()
	_, err := d.w.Write([]byte{1})
	check(d.t, err)
}

func (d *descriptor) read() {
	d.t.Helper()
	_, err := d.r.Read(make([]byte, 1))
	check(d.t, err)
}

// waits counts the returns of a poller's wait, until stop.
type waits struct {
	p       *poller
	n       atomic.Int64
	ending  atomic.Bool
	stopped chan struct{}
}

func waiting(p *poller) *waits {
	w := &waits{p: p, stopped: make(chan struct{})}
	go func() {
		defer close(w.stopped)
		for !w.ending.Load() {
			p.wait()
			w.n.Add(1)
		}
	}()
	return w
}

func (w *waits) stop() {
	w.ending.Store(true)
	w.p.wake()
	<-w.stopped
}

func TestAWakeBeforeTheWaitEndsItOnce(t *testing.T) {
	p := newTestPoller(t)
	for range 3 {
		p.wake() // together they are one
	}
	p.wait()
	if n, err := unix.Poll(p.fds[:1], 0); n != 0 || err != nil {
		t.Errorf("a wake is left: %d, %v", n, err)
	}
}

func TestAWakeDuringTheWaitEndsIt(t *testing.T) {
	p := newTestPoller(t)
	w := waiting(p)
	defer w.stop()
	for i := range int64(100) {
		p.wake()
		await(t, "woken", func() bool { return w.n.Load() > i })
	}
}

func TestAWaitEndsWhenAnyOfItsDescriptorsIsReadable(t *testing.T) {
	p := newTestPoller(t)
	first, second := newDescriptor(t), newDescriptor(t)
	p.watch(first.fd(), second.fd())
	for _, d := range []*descriptor{first, second} {
		d.write()
		p.wait()
		p.wait() // as long as it is
		d.read()
	}
	w := waiting(p)
	defer w.stop()
	second.write()
	await(t, "back from the wait", func() bool { return w.n.Load() > 0 })
	second.read()
}

func TestADescriptorThatIsNoLongerWatchedDoesNotEndAWait(t *testing.T) {
	p := newTestPoller(t)
	old, now := newDescriptor(t), newDescriptor(t)
	p.watch(old.fd(), now.fd())
	p.watch(now.fd())
	old.write()
	now.write()
	if n, err := unix.Poll(p.fds[:p.count], 0); n != 1 || err != nil || p.fds[1].Revents == 0 {
		t.Errorf("%d of %d descriptors readable: %v", n, p.count, err)
	}
}

func TestAWaitEndsWhenADescriptorIsInError(t *testing.T) {
	p := newTestPoller(t)
	d := newDescriptor(t)
	p.watch(d.fd())
	check(t, d.w.Close()) // hung up
	p.wait()
	fd := d.fd()
	check(t, d.r.Close())
	p.watch(fd) // closed
	p.wait()
}

func TestAWakeAfterCloseIsNothing(t *testing.T) {
	p, err := newPoller()
	check(t, err)
	p.close()
	next := newTestPoller(t) // takes the descriptor's number over
	if next.fds[0].Fd != p.fds[0].Fd {
		t.Skip("something else took it")
	}
	p.wake()
	if n, err := unix.Poll(next.fds[:1], 0); n != 0 || err != nil {
		t.Errorf("somebody else was woken: %d, %v", n, err)
	}
}

func TestACloseGivesTheDescriptorBack(t *testing.T) {
	open := func() int {
		list, err := os.ReadDir("/proc/self/fd")
		check(t, err)
		return len(list)
	}
	before := open()
	for range 20 {
		p, err := newPoller()
		check(t, err)
		p.close()
	}
	if after := open(); after > before+10 { // other tests' goroutines may have some
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

func TestManyWakersLoseNoWakeAndMayBeLate(t *testing.T) {
	p, err := newPoller()
	check(t, err)
	var state atomic.Int64 // what a wake tells of
	seen := make(chan struct{})
	const wakers, each = 8, 200
	go func() {
		defer close(seen)
		for state.Load() < wakers*each {
			p.wait()
		}
	}()
	var all sync.WaitGroup
	for range wakers {
		all.Go(func() {
			for range each {
				state.Add(1)
				p.wake()
			}
		})
	}
	select {
	case <-seen:
	case <-deadline(t):
		t.Fatal("a wake was lost")
	}
	for range wakers { // late ones, while it is closed
		all.Go(p.wake)
	}
	p.close()
	all.Wait()
}
