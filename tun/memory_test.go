package tun

import (
	"errors"
	"os"
	"testing"
	"testing/synctest"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/packet"
)

var _ Device = (*Memory)(nil)

func TestMemoryCarriesPacketsBothWays(t *testing.T) {
	m := NewMemory("weft0", 1400)
	part := []byte("def")
	p := packet.Superpacket{Data: []byte("abc"), Tail: [][]byte{part}, SegmentSize: 2, ChecksumStart: 20, ChecksumOffset: 6}
	if err := m.Inject(p); err != nil {
		t.Fatal(err)
	}
	if n, err := m.Write([]packet.Superpacket{p, p}); n != 2 || err != nil {
		t.Fatalf("Write: %d, %v", n, err)
	}
	part[0] = 'X' // it was borrowed for the call
	read, err := m.Read()
	if err != nil || len(read) != 1 {
		t.Fatalf("Read: %v, %v", read, err)
	}
	taken, _ := m.Take()
	for _, got := range []packet.Superpacket{read[0], taken, <-m.Written()} {
		if string(got.Data) != "abcdef" || got.Tail != nil || got.SegmentSize != 2 || got.ChecksumStart != 20 || got.ChecksumOffset != 6 {
			t.Errorf("got %+v", got)
		}
	}
}

func TestMemoryReadsWhatWaitsAtOnce(t *testing.T) {
	m := NewMemory("weft0", 1400)
	for range 100 {
		if err := m.Inject(packet.Superpacket{Data: testUDP}); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []int{64, 36} {
		if batch, err := m.Read(); len(batch) != want || err != nil {
			t.Errorf("read %d, %v; want %d", len(batch), err, want)
		}
	}
}

func TestMemoryWakesEverybodyOnClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory("weft0", 1400)
		read, took := make(chan error, 1), make(chan bool, 1)
		go func() { _, err := m.Read(); read <- err }()
		go func() { _, ok := m.Take(); took <- ok }()
		synctest.Wait()
		_ = m.Close()
		if err := <-read; !errors.Is(err, os.ErrClosed) {
			t.Errorf("Read: %v", err)
		}
		if <-took {
			t.Error("Take found a packet")
		}
		if err := m.Inject(packet.Superpacket{Data: testUDP}); !errors.Is(err, os.ErrClosed) {
			t.Errorf("Inject: %v", err)
		}
		if n, err := m.Write(packets(3)); n != 0 || !errors.Is(err, os.ErrClosed) {
			t.Errorf("Write: %d, %v", n, err)
		}
		if err := m.Close(); err != nil {
			t.Errorf("second Close: %v", err)
		}
	})
}

func TestMemoryRefusesWithoutWaiting(t *testing.T) {
	m := NewMemory("weft0", 100)
	if err := m.Inject(packet.Superpacket{Data: make([]byte, 101)}); !errors.Is(err, unix.EMSGSIZE) {
		t.Errorf("beyond the MTU: %v", err)
	}
	if err := m.Inject(packet.Superpacket{Data: make([]byte, 1000), SegmentSize: 60}); err != nil {
		t.Errorf("superpacket: %v", err)
	}
	if n, err := m.Write([]packet.Superpacket{{}, {Data: testUDP}}); n != 1 || !errors.Is(err, unix.EINVAL) {
		t.Errorf("with an empty one: %d, %v", n, err)
	}
	if n, err := m.Write(packets(2000)); n != memoryBacklog-1 || !errors.Is(err, unix.ENOBUFS) {
		t.Errorf("more than fit: %d, %v", n, err)
	}
}
