package router

import (
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// poller waits until a descriptor is readable or somebody wakes it. One goroutine waits; any may wake.
//
// A short wait is a poll(2) of the lane's own thread: nothing is woken faster. But each return from a system call that took
// long rouses the monitor of Go's scheduler (sysmon), which then looks around for a millisecond or more: that was most of what
// an idle daemon used. So after a wait in vain the goroutine parks, until packets come more often again. Control frames are no
// packets: an idle node has a few in a second.
type poller struct {
	fds   [3]unix.PollFd // the first is the eventfd
	count int
	quiet bool // the next wait parks
	brief bool // the last wait, parked, was shorter than shortWait
	nest  *nest
	mu    sync.Mutex // guards open
	open  bool
}

const (
	shortWait = 20 * time.Millisecond // how long a lane waits before it parks
	forEver   = -time.Millisecond
)

func newPoller() (*poller, error) {
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("router: make eventfd: %w", err)
	}
	p := &poller{count: 1, open: true}
	p.fds[0] = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}
	return p, nil
}

// watch replaces the descriptors that wait looks at: at most two.
func (p *poller) watch(fds ...int) {
	p.leaveNest()
	p.count, p.quiet, p.brief = 1, false, false
	for _, fd := range fds {
		p.fds[p.count] = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}
		p.count++
	}
}

// wait returns when a descriptor is readable or in error, or after a wake, which may have come before. It may return
// early.
func (p *poller) wait() {
	switch {
	case !p.quiet:
		p.poll(shortWait)
	case p.armed():
		began := time.Now()
		woken := p.nest.park(p.fds[0].Fd)
		p.brief = time.Since(began) < shortWait
		if woken {
			p.takeWake()
		}
	default: // no more descriptors, or the like: it works without
		p.poll(forEver)
	}
}

// busy says that packets came since the last wait. They are no events then, and if that wait was a short one, neither is the
// next.
func (p *poller) busy() {
	if p.nest != nil {
		p.nest.disarm()
	}
	p.quiet = p.quiet && !p.brief
}

// poll waits for so long at most, in the system call.
func (p *poller) poll(most time.Duration) {
	n, err := unix.Poll(p.fds[:p.count], int(most.Milliseconds()))
	switch {
	case err != nil:
	case n == 0:
		p.quiet = true
	case p.fds[0].Revents != 0:
		p.takeWake()
	}
}

// armed prepares for parking.
func (p *poller) armed() bool {
	if p.nest != nil {
		if p.nest.arm() == nil {
			return true
		}
		p.leaveNest()
	}
	var err error
	p.nest, err = newNest(p.fds[:p.count])
	return err == nil
}

func (p *poller) leaveNest() {
	if p.nest != nil {
		p.nest.close()
		p.nest = nil
	}
}

// takeWake takes the wakes that came.
func (p *poller) takeWake() {
	var count [8]byte
	_, _ = unix.Read(int(p.fds[0].Fd), count[:])
}

// wake makes the present or the next wait return.
func (p *poller) wake() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open {
		var one [8]byte
		binary.NativeEndian.PutUint64(one[:], 1)
		_, _ = unix.Write(int(p.fds[0].Fd), one[:]) // full means that a wake waits already
	}
}

// close ends the use of the poller; nobody may wait meanwhile.
func (p *poller) close() {
	p.leaveNest()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = false
	_ = unix.Close(int(p.fds[0].Fd))
}
