package tun

import (
	"errors"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/packet"
)

var (
	_ Device      = (*PolledMemory)(nil)
	_ PolledQueue = (*MemoryQueue)(nil)
)

func newTestPolledMemory(t *testing.T, queues int) *PolledMemory {
	t.Helper()
	m, err := NewPolledMemory("weft0", 1400, queues, Joins{TCP: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

// readable polls without waiting.
func readable(t *testing.T, fd int) bool {
	t.Helper()
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Ppoll(fds, &unix.Timespec{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return n == 1
}

func TestPolledMemoryIsReadableJustWhilePacketsWait(t *testing.T) {
	q := newTestPolledMemory(t, 1).Queue(0)
	if readable(t, q.Descriptor()) {
		t.Error("readable while empty")
	}
	if batch, err := q.TryRead(); len(batch) != 0 || err != nil {
		t.Errorf("empty: read %d, %v", len(batch), err)
	}
	if err := q.Inject(packets(100)...); err != nil || q.Waiting() != 100 {
		t.Fatal(err, q.Waiting())
	}
	for _, want := range []int{64, 36} {
		if !readable(t, q.Descriptor()) {
			t.Error("not readable while packets wait")
		}
		if batch, err := q.TryRead(); len(batch) != want || err != nil {
			t.Errorf("read %d, %v; want %d", len(batch), err, want)
		}
	}
	if readable(t, q.Descriptor()) {
		t.Error("readable when all is read")
	}
}

func TestQueuesOfPolledMemoryAreApart(t *testing.T) {
	m := newTestPolledMemory(t, 2)
	if len(m.Queues()) != 2 || m.Joins() != (Joins{TCP: true}) {
		t.Fatalf("%d queues, %+v", len(m.Queues()), m.Joins())
	}
	if err := m.Queue(1).Inject(packets(1)...); err != nil {
		t.Fatal(err)
	}
	if batch, err := m.Queue(0).TryRead(); len(batch) != 0 || err != nil {
		t.Errorf("queue 0: %d, %v", len(batch), err)
	}
	if n, err := m.Queues()[1].Write(packets(3)); n != 3 || err != nil {
		t.Errorf("Write: %d, %v", n, err)
	}
	if n := len(m.Queue(0).Written()) + 10*len(m.Queue(1).Written()); n != 30 {
		t.Errorf("written: %d", n)
	}
}

func TestPolledMemoryRefusesWithoutWaiting(t *testing.T) {
	q := newTestPolledMemory(t, 1).Queue(0)
	if err := q.Inject(packet.Superpacket{Data: make([]byte, 1401)}); !errors.Is(err, unix.EMSGSIZE) {
		t.Errorf("beyond the MTU: %v", err)
	}
	if err := q.Inject(packets(memoryBacklog + 1)...); !errors.Is(err, unix.ENOBUFS) || q.Waiting() != memoryBacklog {
		t.Errorf("more than fit: %v, %d wait", err, q.Waiting())
	}
}

func TestPolledMemoryWakesTheReaderOnClose(t *testing.T) {
	m := newTestPolledMemory(t, 2)
	read := make(chan error, 2)
	for _, q := range m.Queues() {
		go func() { _, err := q.Read(); read <- err }()
	}
	for i := range m.Queues() {
		for m.Queue(i).guard.state.Load() == 0 { // until it waits, or is about to
			runtime.Gosched()
		}
	}
	for range 2 {
		_ = m.Close()
	}
	for range m.Queues() {
		if err := <-read; !errors.Is(err, os.ErrClosed) {
			t.Errorf("Read: %v", err)
		}
	}
	q := m.Queue(0)
	if _, err := q.TryRead(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("TryRead: %v", err)
	}
	if _, err := q.Write(packets(1)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Write: %v", err)
	}
	if err := q.Inject(packets(1)...); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Inject: %v", err)
	}
	if _, ok := q.Take(); ok {
		t.Error("Take found a packet")
	}
}
