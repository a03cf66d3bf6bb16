package tun

import (
	"bytes"
	"errors"
	"io/fs"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/packet"
	"github.com/weftnet/weft/packet/packettest"
)

// library stands for the library: it keeps what it is asked to write, and answers from the list of refusals.
type library struct {
	writes  [][][]byte
	room    []bool // whether the packet's buffer lets it grow
	longest int    // length up to which the library would join others to a packet
	refused func(write int, packets [][]byte) (bytes int, err error)
}

func (l *library) Write(bufs [][]byte, offset int) (int, error) {
	var packets [][]byte
	n := 0
	for _, b := range bufs {
		packets = append(packets, bytes.Clone(b[offset:]))
		l.room = append(l.room, cap(b)-len(b) > 1000)
		l.longest = max(l.longest, cap(b[offset:])-offset) // coalesceUDPPackets and coalesceTCPPackets
		n += len(b) - offset
	}
	l.writes = append(l.writes, packets)
	if l.refused != nil {
		return l.refused(len(l.writes)-1, packets)
	}
	return n, nil
}

func newTestWriter(t *testing.T, lib *library, able abilities) *batchWriter {
	t.Helper()
	owner := new(batch)
	s, err := newSlab(owner, writeBuffers+1)
	if err != nil {
		t.Fatal(err)
	}
	w := newBatchWriter(lib, able, s)
	t.Cleanup(func() { _ = owner.Driver() }) // the slab lives as long as its owner
	return w
}

var (
	testIP  = packettest.IP{Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("10.0.0.2")}
	testUDP = packettest.UDP{IP: testIP, Payload: []byte("hello")}.Build()
	testTCP = packettest.TCP{IP: testIP, Payload: []byte("hello")}.Build()
)

func packets(n int) []packet.Superpacket {
	all := make([]packet.Superpacket, n)
	for i := range all {
		all[i] = packet.Superpacket{Data: testUDP}
	}
	return all
}

// eio makes an error of n refusals in the way of the library.
func eio(n int) (err error) {
	for range n {
		err = errors.Join(err, &fs.PathError{Op: "write", Path: clonePath, Err: unix.EIO})
	}
	return err
}

func TestLongBatchIsWrittenInPartsThatTheLibraryBears(t *testing.T) {
	lib := &library{}
	lost, err := newTestWriter(t, lib, abilities{}).write(packets(300))
	if lost != 0 || err != nil {
		t.Errorf("lost %d, %v", lost, err)
	}
	for i, want := range []int{128, 128, 44} {
		if len(lib.writes[i]) != want || !bytes.Equal(lib.writes[i][want-1], testUDP) {
			t.Errorf("write %d has %d packets, want %d", i, len(lib.writes[i]), want)
		}
	}
}

func TestJoinedPacketsAreNoLongerThanTheirLengthFieldCanSay(t *testing.T) {
	var lib library
	w := newTestWriter(t, &lib, abilities{})
	if lost, err := w.write(packets(2)); lost != 0 || err != nil {
		t.Fatal(lost, err)
	}
	if lib.longest != maxPacket {
		t.Errorf("the library may join packets up to %d bytes, want %d", lib.longest, maxPacket)
	}
}

func TestRefusedPacketsAreCounted(t *testing.T) {
	for name, c := range map[string]struct {
		refused func(write int, packets [][]byte) (int, error)
		want    int
	}{
		"all, the interface is down":  {func(_ int, p [][]byte) (int, error) { return 0, eio(len(p)) }, 200},
		"all, joined before":          {func(int, [][]byte) (int, error) { return 0, eio(1) }, 200},
		"the whole of one write":      {func(i int, p [][]byte) (int, error) { return 0, eio(len(p) * i) }, 72},
		"three of the first":          {func(i int, p [][]byte) (int, error) { return 5000, eio(3 - 3*i) }, 3},
		"more errors than packets":    {func(i int, p [][]byte) (int, error) { return 1, eio(1000) }, 200},
		"an error of another kind":    {func(i int, p [][]byte) (int, error) { return 9, unix.EIO }, 2},
		"closed in the second write":  {func(i int, p [][]byte) (int, error) { return 10, eio(i) }, 1},
		"none, and no error from it":  {func(i int, p [][]byte) (int, error) { return 10, nil }, 0},
		"none, as nothing is counted": {func(i int, p [][]byte) (int, error) { return 0, nil }, 0},
	} {
		lost, err := newTestWriter(t, &library{refused: c.refused}, abilities{}).write(packets(200))
		if lost != c.want || (err == nil) != (c.want == 0) || err != nil && !errors.Is(err, unix.EIO) {
			t.Errorf("%s: lost %d, %v; want %d", name, lost, err, c.want)
		}
	}
}

func TestSuperpacketAcrossTwoWritesIsLostOnce(t *testing.T) {
	lib := &library{refused: func(_ int, p [][]byte) (int, error) { return 0, eio(len(p)) }}
	pkt := packettest.UDP{IP: testIP, Payload: make([]byte, 20000)}.Build()
	lost, err := newTestWriter(t, lib, abilities{}).write([]packet.Superpacket{{Data: pkt, SegmentSize: 100}})
	if lost != 1 || err == nil || len(lib.writes) != 2 {
		t.Errorf("lost %d in %d writes, %v; want 1 in 2", lost, len(lib.writes), err)
	}
}

func TestPacketThatIsNoneDoesNotHinderTheOthers(t *testing.T) {
	lib := &library{}
	batch := []packet.Superpacket{
		{},
		{Data: testUDP},
		{Data: make([]byte, 1<<16)},
		{Data: testUDP, ChecksumStart: 30, ChecksumOffset: 6},
		{Data: make([]byte, 100), SegmentSize: 10},
		{Data: testUDP, Tail: [][]byte{make([]byte, 1<<16)}, SegmentSize: 10},
		{Data: testTCP},
	}
	lost, err := newTestWriter(t, lib, abilities{}).write(batch)
	if lost != 5 || !errors.Is(err, unix.EMSGSIZE) {
		t.Errorf("lost %d, %v; want 5, EMSGSIZE", lost, err)
	}
	if len(lib.writes) != 1 || len(lib.writes[0]) != 2 {
		t.Errorf("written: %d", lib.writes)
	}
}

func TestCallersPacketIsNotChanged(t *testing.T) {
	pkt := packettest.UDP{IP: testIP, Payload: make([]byte, 3000)}.Build()
	start, offset := packettest.Partial(pkt)
	before := bytes.Clone(pkt)
	lib := &library{}
	w := newTestWriter(t, lib, abilities{})
	for _, size := range []int{0, 1000} {
		p := packet.Superpacket{Data: pkt, SegmentSize: size, ChecksumStart: start, ChecksumOffset: offset}
		if lost, err := w.write([]packet.Superpacket{p}); lost != 0 || err != nil {
			t.Errorf("lost %d, %v", lost, err)
		}
	}
	if !bytes.Equal(pkt, before) {
		t.Error("the packet was changed")
	}
	for _, write := range lib.writes {
		for _, p := range write {
			if err := packettest.Verify(p); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestPacketsAreNotJoinedWhereTheKernelRefusesSuperpackets(t *testing.T) {
	refused := errors.New("refused")
	for _, c := range []struct {
		able     abilities
		tcp, udp bool
	}{
		{abilities{}, true, true},
		{abilities{joinTCP: refused}, false, true},
		{abilities{joinUDP: refused}, true, false},
	} {
		lib := &library{}
		_, _ = newTestWriter(t, lib, c.able).write([]packet.Superpacket{{Data: testTCP}, {Data: testUDP}})
		if lib.room[0] != c.tcp || lib.room[1] != c.udp {
			t.Errorf("%+v: room for TCP %v, for UDP %v", c.able, lib.room[0], lib.room[1])
		}
	}
}
