package tun

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/packet"
)

const (
	memoryBatch   = 64   // superpackets of one Read at most
	memoryBacklog = 1024 // superpackets that wait on either side
)

// Memory is a device for tests. Its other side, the part of the kernel, is Inject and Take. It is made of channels only, so
// that it can be used in a testing/synctest bubble.
type Memory struct {
	name    string
	mtu     int
	in, out chan packet.Superpacket
	closed  chan struct{}
	once    sync.Once
	read    []packet.Superpacket
}

// NewMemory makes a device. The MTU bounds what Inject takes.
func NewMemory(name string, mtu int) *Memory {
	return &Memory{
		name: name, mtu: mtu,
		in:     make(chan packet.Superpacket, memoryBacklog),
		out:    make(chan packet.Superpacket, memoryBacklog),
		closed: make(chan struct{}),
	}
}

// Inject gives a packet to the reader, copied and in one piece. It waits while the queue is full. It returns EMSGSIZE for a
// plain packet above the MTU, and os.ErrClosed after Close.
func (m *Memory) Inject(p packet.Superpacket) error {
	if p.SegmentSize == 0 && p.Len() > m.mtu {
		return fmt.Errorf("tun: inject into %s: packet of %d bytes, MTU %d: %w", m.name, p.Len(), m.mtu, unix.EMSGSIZE)
	}
	select {
	case <-m.closed:
		return m.closedError()
	default:
	}
	select {
	case m.in <- clone(&p):
		return nil
	case <-m.closed:
		return m.closedError()
	}
}

// Take waits for the next packet that was written. ok is false after Close, once all are taken.
func (m *Memory) Take() (p packet.Superpacket, ok bool) {
	select {
	case p = <-m.out:
		return p, true
	default:
	}
	select {
	case p = <-m.out:
		return p, true
	case <-m.closed:
		return packet.Superpacket{}, false
	}
}

// Written is the channel of what was written: each packet in memory of its own and in one piece. It is never closed.
func (m *Memory) Written() <-chan packet.Superpacket { return m.out }

// Name implements Device.
func (m *Memory) Name() string { return m.name }

// Driver implements Device.
func (m *Memory) Driver() Driver { return DriverMemory }

// Queues implements Device.
func (m *Memory) Queues() []Queue { return []Queue{m} }

// Joins implements Device.
func (m *Memory) Joins() Joins { return Joins{} }

// Unreadable implements Device.
func (m *Memory) Unreadable() uint64 { return 0 }

// Offloads implements Device.
func (m *Memory) Offloads() []Offload { return nil }

// Read returns what was injected, up to 64 superpackets at once.
func (m *Memory) Read() ([]packet.Superpacket, error) {
	select {
	case <-m.closed:
		return nil, m.closedError()
	default:
	}
	m.read = m.read[:0]
	select {
	case p := <-m.in:
		m.read = append(m.read, p)
	case <-m.closed:
		return nil, m.closedError()
	}
	for len(m.read) < memoryBatch {
		select {
		case p := <-m.in:
			m.read = append(m.read, p)
		default:
			return m.read, nil
		}
	}
	return m.read, nil
}

// Write refuses with ENOBUFS what does not fit into the queue of what nobody has taken yet, and with EINVAL what is empty.
func (m *Memory) Write(batch []packet.Superpacket) (written int, err error) {
	for i := range batch {
		refused := m.write(&batch[i])
		switch {
		case refused == nil:
			written++
		case errors.Is(refused, os.ErrClosed):
			return written, refused
		case err == nil:
			err = fmt.Errorf("tun: write to %s: %w", m.name, refused)
		}
	}
	return written, err
}

func (m *Memory) write(p *packet.Superpacket) error {
	if p.Len() == 0 {
		return unix.EINVAL
	}
	select {
	case <-m.closed:
		return m.closedError()
	default:
	}
	select {
	case m.out <- clone(p):
		return nil
	default:
		return unix.ENOBUFS
	}
}

// Close implements Device.
func (m *Memory) Close() error {
	m.once.Do(func() { close(m.closed) })
	return nil
}

func (m *Memory) closedError() error { return fmt.Errorf("tun: %s: %w", m.name, os.ErrClosed) }

// clone is the packet in memory of its own, with Tail behind Data.
func clone(p *packet.Superpacket) packet.Superpacket {
	c := *p
	c.Data, c.Tail = bytes.Join(append([][]byte{p.Data}, p.Tail...), nil), nil
	return c
}
