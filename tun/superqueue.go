package tun

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/packet"
)

// superQueue is one queue of super: a descriptor that is read and written without waiting. The runtime's poller does not know
// it: its thread would be woken up by each packet.
type superQueue struct {
	name  string
	fd    int   // of the TUN device
	wake  int   // an eventfd that Close makes readable
	guard guard // of both descriptors

	reader superReader
	writer superWriter
}

// newSuperQueue takes q over.
func newSuperQueue(q *queue, able abilities) (*superQueue, error) {
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		q.close()
		return nil, fmt.Errorf("tun: open %s: make an event descriptor: %w", q.name, err)
	}
	s := &superQueue{name: q.name, fd: q.fd, wake: wake}
	s.guard.last = func() { _, _ = unix.Close(s.fd), unix.Close(s.wake) }
	const arena = (drainBytes + slabHeadroom + readRoom + slabStride - 1) / slabStride
	mem, err := newSlab(s, arena+1)
	if err != nil {
		s.close()
		return nil, err
	}
	s.reader = newSuperReader(mem.mem[:arena*slabStride])
	s.writer = newSuperWriter(able, mem.buffer(arena))
	return s, nil
}

// Descriptor implements PolledQueue.
func (s *superQueue) Descriptor() int { return s.fd }

// TryRead implements PolledQueue. It reads up to drainReads superpackets or drainBytes.
func (s *superQueue) TryRead() ([]packet.Superpacket, error) {
	if !s.guard.acquire() {
		return nil, s.closedError()
	}
	batch, err := s.reader.drain(s.fd)
	s.guard.release()
	if err != nil {
		return nil, s.explain("read from", err)
	}
	return batch, nil
}

// Read implements Queue. It is TryRead with a wait.
func (s *superQueue) Read() ([]packet.Superpacket, error) {
	for {
		batch, err := s.TryRead()
		if len(batch) > 0 || err != nil {
			return batch, err
		}
		if err := s.wait(); err != nil {
			return nil, err
		}
	}
}

// wait returns when there is something to read, or the queue was closed.
func (s *superQueue) wait() error {
	if !s.guard.acquire() {
		return s.closedError()
	}
	defer s.guard.release()
	fds := [...]unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLIN}, {Fd: int32(s.wake), Events: unix.POLLIN}}
	_, err := unix.Ppoll(fds[:], nil, nil)
	if err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("tun: wait for %s: %w", s.name, err)
	}
	return nil
}

// Write implements Queue.
func (s *superQueue) Write(batch []packet.Superpacket) (written int, err error) {
	if !s.guard.acquire() {
		return 0, s.closedError()
	}
	written, err = s.writer.write(s.fd, batch)
	s.guard.release()
	if err != nil {
		err = s.explain("write to", err)
	}
	return written, err
}

// explain gives an error of the kernel its meaning. EBADFD: the descriptor has no interface any more.
func (s *superQueue) explain(operation string, err error) error {
	if errors.Is(err, unix.EBADFD) {
		return fmt.Errorf("tun: %s: %w", s.name, ErrGone)
	}
	return fmt.Errorf("tun: %s %s: %w", operation, s.name, err)
}

func (s *superQueue) closedError() error { return fmt.Errorf("tun: %s: %w", s.name, os.ErrClosed) }

// close wakes Read and lets nobody in any more. The descriptors are closed when the last call has returned.
func (s *superQueue) close() {
	if !s.guard.acquire() {
		return
	}
	defer s.guard.release()
	if s.guard.close() {
		signal(s.wake)
	}
}
