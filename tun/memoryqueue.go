package tun

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/packet"
)

// MemoryQueue is a queue of PolledMemory: a Memory with an eventfd that is readable while injected packets wait, and after
// Close.
type MemoryQueue struct {
	memory *Memory
	event  int
	guard  guard      // of event
	mu     sync.Mutex // makes what waits and the state of event one
}

func newMemoryQueue(name string, mtu int) (*MemoryQueue, error) {
	event, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("tun: make an event descriptor for %s: %w", name, err)
	}
	q := &MemoryQueue{memory: NewMemory(name, mtu), event: event}
	q.guard.last = func() { _ = unix.Close(event) }
	return q, nil
}

// Inject gives packets to the reader, copied and each in one piece; a TryRead sees all of one Inject or none. It never waits:
// ENOBUFS means that not all fit. It returns EMSGSIZE for a plain packet above the MTU, and os.ErrClosed after Close. The
// packets before the one with the error are injected.
func (q *MemoryQueue) Inject(packets ...packet.Superpacket) error {
	if !q.guard.acquire() {
		return q.memory.closedError()
	}
	defer q.guard.release()
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range packets {
		if len(q.memory.in) == cap(q.memory.in) {
			return fmt.Errorf("tun: inject into %s: %w", q.memory.name, unix.ENOBUFS)
		}
		if err := q.memory.Inject(packets[i]); err != nil {
			return err
		}
		signal(q.event)
	}
	return nil
}

// Take is that of Memory.
func (q *MemoryQueue) Take() (p packet.Superpacket, ok bool) { return q.memory.Take() }

// Written is that of Memory.
func (q *MemoryQueue) Written() <-chan packet.Superpacket { return q.memory.Written() }

// Waiting is how many injected packets nobody has read yet.
func (q *MemoryQueue) Waiting() int { return len(q.memory.in) }

// TryRead implements PolledQueue. It returns what was injected, up to 64 superpackets at once.
func (q *MemoryQueue) TryRead() ([]packet.Superpacket, error) {
	if !q.guard.acquire() {
		return nil, q.memory.closedError()
	}
	defer q.guard.release()
	q.mu.Lock()
	defer q.mu.Unlock()
	var batch []packet.Superpacket
	if len(q.memory.in) > 0 {
		var err error
		if batch, err = q.memory.Read(); err != nil {
			return nil, err
		}
	}
	if len(q.memory.in) == 0 {
		unsignal(q.event)
	}
	return batch, nil
}

// Read implements Queue.
func (q *MemoryQueue) Read() ([]packet.Superpacket, error) {
	for {
		batch, err := q.TryRead()
		if len(batch) > 0 || err != nil {
			return batch, err
		}
		if err := q.wait(); err != nil {
			return nil, err
		}
	}
}

func (q *MemoryQueue) wait() error {
	if !q.guard.acquire() {
		return q.memory.closedError()
	}
	defer q.guard.release()
	fds := []unix.PollFd{{Fd: int32(q.event), Events: unix.POLLIN}}
	if _, err := unix.Ppoll(fds, nil, nil); err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("tun: wait for %s: %w", q.memory.name, err)
	}
	return nil
}

// Write implements Queue, as that of Memory.
func (q *MemoryQueue) Write(batch []packet.Superpacket) (written int, err error) {
	return q.memory.Write(batch)
}

// Descriptor implements PolledQueue.
func (q *MemoryQueue) Descriptor() int { return q.event }

func (q *MemoryQueue) close() {
	if !q.guard.acquire() {
		return
	}
	defer q.guard.release()
	q.mu.Lock() // a TryRead may not take the signal away again
	defer q.mu.Unlock()
	if q.guard.close() {
		_ = q.memory.Close()
		signal(q.event)
	}
}

// signal makes an eventfd readable (eventfd(2)): what is added must be a number of eight bytes, of the machine's order.
func signal(event int) {
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	_, _ = unix.Write(event, one[:])
}

// unsignal makes it unreadable. It must be non-blocking.
func unsignal(event int) {
	var n [8]byte
	_, _ = unix.Read(event, n[:])
}
