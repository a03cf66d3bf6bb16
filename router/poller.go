package router

import (
	"encoding/binary"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// poller waits until a descriptor is readable or somebody wakes it. One goroutine waits; any may wake.
//
// Go's own poller is not used for lanes: it is told of every packet, also while the lane is busy, and wakes a thread for each.
type poller struct {
	fds   [3]unix.PollFd // the first is the eventfd
	count int
	mu    sync.Mutex // guards open
	open  bool
}

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
	p.count = 1
	for _, fd := range fds {
		p.fds[p.count] = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}
		p.count++
	}
}

// wait returns when a descriptor is readable or in error, or after a wake, which may have come before. It may return
// early.
func (p *poller) wait() {
	n, err := unix.Poll(p.fds[:p.count], -1)
	if err != nil || n == 0 || p.fds[0].Revents == 0 {
		return
	}
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

func (p *poller) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = false
	_ = unix.Close(int(p.fds[0].Fd))
}
