package router

import (
	"testing"

	"golang.org/x/sys/unix"
)

// quietPoller is one whose next wait parks.
func quietPoller(t *testing.T, fds ...int) *poller {
	t.Helper()
	p := newTestPoller(t)
	p.watch(fds...)
	p.quiet = true
	if !p.armed() {
		t.Fatal("the poller cannot park")
	}
	return p
}

func TestAParkedWaitEndsByAWakeWheneverItCame(t *testing.T) {
	p := quietPoller(t)
	for range 100 {
		p.quiet = true
		p.wake()
		p.wait()
		if n, err := unix.Poll(p.fds[:1], 0); n != 0 || err != nil {
			t.Fatalf("a wake is left: %d, %v", n, err)
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 100 {
			p.quiet = true
			p.wait()
			done <- struct{}{}
		}
	}()
	for range 100 {
		p.wake()
		<-done
	}
	<-done
}

func TestAParkedWaitEndsAsLongAsADescriptorIsReadable(t *testing.T) {
	first, second := newDescriptor(t), newDescriptor(t)
	p := quietPoller(t, first.fd(), second.fd())
	for _, d := range []*descriptor{first, second, first} {
		d.write()
		for range 3 {
			p.quiet = true
			p.wait()
		}
		d.read()
	}
	woken := make(chan struct{})
	go func() { p.quiet = true; p.wait(); close(woken) }()
	second.write()
	<-woken
}

// TestALaneThatDoesNotParkIsNotToldOfPackets is why there is a nest at all.
func TestALaneThatDoesNotParkIsNotToldOfPackets(t *testing.T) {
	first, second := newDescriptor(t), newDescriptor(t)
	p := quietPoller(t, first.fd(), second.fd())
	first.write()
	p.wait()
	p.busy()
	for range 3 {
		first.write()
		second.write()
	}
	if n, err := unix.Poll([]unix.PollFd{{Fd: int32(p.nest.fd), Events: unix.POLLIN}}, 0); n != 0 || err != nil {
		t.Errorf("Go's poller is told: %d, %v", n, err)
	}
}

// TestAParkedWaitEndsAfterItsSocketIsClosed does what the stop does. The wake is needed: a socket that was closed has no events
// left to be found, nor has Go's poller, where it looks too late.
func TestAParkedWaitEndsAfterItsSocketIsClosed(t *testing.T) {
	for range 50 {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		check(t, err)
		check(t, unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
		p := quietPoller(t, fd)
		ended := make(chan struct{})
		go func() { p.wait(); close(ended) }()
		_ = unix.Shutdown(fd, unix.SHUT_RDWR) // ENOTCONN, after it has woken everybody
		check(t, unix.Close(fd))
		p.wake()
		<-ended
	}
}

// TestAPollerParksAfterAWaitInVain also checks that it comes back when packets do.
func TestAPollerParksAfterAWaitInVain(t *testing.T) {
	d := newDescriptor(t)
	p := newTestPoller(t)
	p.watch(d.fd())
	if p.wait(); !p.quiet {
		t.Error("it does not park after a wait in vain")
	}
	d.write()
	if p.wait(); !p.quiet {
		t.Error("it no longer parks, though no packets were told of")
	}
	if p.busy(); p.quiet {
		t.Error("it goes on parking, though packets were there at once")
	}
}

func TestAPollerThatCannotParkWaitsAllTheSame(t *testing.T) {
	d := newDescriptor(t)
	p := newTestPoller(t)
	file, err := unix.MemfdCreate("", unix.MFD_CLOEXEC) // epoll refuses files
	check(t, err)
	defer unix.Close(file)
	p.watch(d.fd(), file)
	p.quiet = true
	d.write()
	p.wait()
	if p.armed() {
		t.Error("the kernel takes a file for epoll: this test shows nothing")
	}
}

func TestParkingAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("allocations are not counted under the race detector")
	}
	p := quietPoller(t)
	if n := testing.AllocsPerRun(100, func() { p.wake(); p.quiet = true; p.wait() }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}
