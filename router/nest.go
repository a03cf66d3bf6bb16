package router

import (
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// nest lets a goroutine wait in Go's poller for descriptors that the poller is not to know, or it would be told of every
// packet, also while the goroutine does not wait. It knows an epoll descriptor of ours instead, and in that each of ours is
// armed for one event (EPOLLONESHOT) just before the goroutine parks, until disarm. One goroutine uses it.
type nest struct {
	fd      int
	file    *os.File // of fd
	conn    syscall.RawConn
	members []int32
	waiting bool // members may be armed
	ready   func(fd uintptr) bool
	looks   int // since park began
	events  [3]unix.EpollEvent
	count   int // of events, of the last look
}

// newNest makes a nest in which fds are armed.
func newNest(fds []unix.PollFd) (*nest, error) {
	n := new(nest)
	n.ready = n.look
	for i := range fds {
		n.members = append(n.members, fds[i].Fd)
	}
	if err := n.open(); err != nil {
		return nil, fmt.Errorf("router: make epoll descriptor: %w", err)
	}
	if err := n.control(unix.EPOLL_CTL_ADD, armed); err != nil {
		n.close()
		return nil, fmt.Errorf("router: watch a descriptor: %w", err)
	}
	return n, nil
}

func (n *nest) open() (err error) {
	if n.fd, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	if err = unix.SetNonblock(n.fd, true); err != nil { // os polls no other
		_ = unix.Close(n.fd)
		return err
	}
	n.file = os.NewFile(uintptr(n.fd), "epoll")
	if n.conn, err = n.file.SyscallConn(); err == nil {
		err = n.file.SetReadDeadline(time.Time{}) // fails if Go's poller did not take it
	}
	if err != nil {
		n.close()
	}
	return err
}

// armed is for one event.
const armed = unix.EPOLLIN | unix.EPOLLONESHOT

// arm makes that the next event at a member ends park, or one that waits already.
func (n *nest) arm() error { return n.control(unix.EPOLL_CTL_MOD, armed) }

// disarm makes that packets at the members are no events, also at those that did not end park.
func (n *nest) disarm() {
	if n.waiting {
		_ = n.control(unix.EPOLL_CTL_MOD, 0) // fails where a member was closed
	}
}

func (n *nest) control(operation int, events uint32) error {
	n.waiting = events != 0
	for _, fd := range n.members {
		event := unix.EpollEvent{Events: events, Fd: fd}
		if err := unix.EpollCtl(n.fd, operation, int(fd), &event); err != nil {
			return err
		}
	}
	return nil
}

// park waits for an event at a member that is armed, and reports whether there was one at that. It may return early.
func (n *nest) park(that int32) bool {
	n.looks, n.count = 0, 0
	_ = n.conn.Read(n.ready) // fails only when n is closed
	for _, event := range n.events[:n.count] {
		if event.Fd == that {
			return true
		}
	}
	return false
}

// look takes the events. What was closed while the goroutine was parked has none left, so the second look is the last. It
// does not wait, so it need not rouse the scheduler's monitor either.
func (n *nest) look(uintptr) bool {
	n.looks++
	count, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(n.fd), uintptr(unsafe.Pointer(&n.events[0])),
		uintptr(len(n.events)), 0, 0, 0)
	if errno == 0 {
		n.count = int(count)
	}
	return n.count > 0 || errno != 0 || n.looks > 1
}

func (n *nest) close() { _ = n.file.Close() }
