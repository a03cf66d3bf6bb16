package encap

import (
	"encoding/binary"
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

// arrival is a datagram as a kernel hands it over.
type arrival struct {
	data     string
	segment  int32 // of UDP_GRO; 0: none is told
	overflow uint32
}

// receiverOf is a receiver to which that comes with the next call.
func receiverOf(arrivals ...arrival) *udpReceiver {
	r := newUDPReceiver(&socket{})
	r.call = func(heads []unix.Mmsghdr) (int, unix.Errno) {
		for i, a := range arrivals {
			heads[i].Len = uint32(copy(r.slots[i*slotLen:], a.data))
			n := 0
			if a.segment != 0 {
				n += putMessage(r.control[i].bytes(), unix.SOL_UDP, unix.UDP_GRO, binary.NativeEndian.AppendUint32(nil, uint32(a.segment)))
			}
			if a.overflow != 0 {
				n += putMessage(r.control[i].bytes()[n:], unix.SOL_SOCKET, unix.SO_RXQ_OVFL, binary.NativeEndian.AppendUint32(nil, a.overflow))
			}
			heads[i].Hdr.SetControllen(n)
		}
		return len(arrivals), 0
	}
	return r
}

func TestOverflowCountGoesOnWhereTheKernelsWrapsRound(t *testing.T) {
	a := []arrival{{data: "frame"}}
	r := receiverOf(a...)
	for _, c := range []struct{ kernel, grown uint32 }{{5, 5}, {0, 0}, {5, 0}, {1<<32 - 2, 1<<32 - 7}, {3, 5}} {
		a[0].overflow = c.kernel
		r.receive()
		if _, grown := r.datagrams(); grown != c.grown {
			t.Errorf("kernel's count %d: grown by %d, want %d", c.kernel, grown, c.grown)
		}
	}
}

func TestSegmentSizeIsThatOfSeveralFramesOnly(t *testing.T) {
	for _, c := range []struct {
		segment int32
		size    int
	}{{0, 0}, {1, 1}, {4, 4}, {9, 9}, {10, 0}, {11, 0}, {1 << 30, 0}, {-1, 0}, {-1 << 31, 0}} {
		r := receiverOf(arrival{data: "0123456789", segment: c.segment})
		r.receive()
		if got, _ := r.datagrams(); len(got) != 1 || got[0].Size != c.size || string(got[0].Data) != "0123456789" {
			t.Errorf("segments of %d: %+v", c.segment, got)
		}
	}
}

func TestEmptyDatagramIsHandedOver(t *testing.T) {
	r := receiverOf(arrival{segment: 5}, arrival{data: "frame"})
	r.receive()
	if got, _ := r.datagrams(); len(got) != 2 || len(got[0].Data) != 0 || got[0].Size != 0 {
		t.Errorf("%+v", got)
	}
}

func TestPaddingIsTakenOff(t *testing.T) {
	pad := string(padding[:])
	for _, c := range []struct {
		data    string
		segment int32
		want    string
		size    int
	}{
		{"abcabc" + pad, 3, "abcabc", 3},
		{"abc" + pad, 3, "abc", 0},
		{"abcab" + pad, 3, "abcab" + pad, 3}, // the end of a frame
		{"abc" + pad, 0, "abc" + pad, 0},     // likewise
		{"ab" + pad, 1, "ab" + pad, 1},       // frames of one byte are never padded
	} {
		r := receiverOf(arrival{data: pad}, arrival{data: c.data, segment: c.segment}, arrival{data: pad, segment: 3})
		r.receive()
		if got, _ := r.datagrams(); len(got) != 1 || string(got[0].Data) != c.want || got[0].Size != c.size {
			t.Errorf("%q in segments of %d: %+v", c.data, c.segment, got)
		}
	}
}

func TestErrorsThatWaitAtTheSocketAreNotOurs(t *testing.T) {
	r := newUDPReceiver(&socket{})
	answers := []answerOf{{0, unix.EINTR}, {0, unix.ECONNREFUSED}, {0, unix.EHOSTUNREACH}, {0, unix.EINTR}, {0, unix.EAGAIN}}
	r.call = func([]unix.Mmsghdr) (int, unix.Errno) {
		next := answers[0]
		answers = answers[1:]
		return next.n, next.errno
	}
	if errno := r.receive(); errno != 0 || len(answers) != 0 {
		t.Errorf("%v, %d answers left", errno, len(answers))
	}
	if got, _ := r.datagrams(); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

func TestErrorThatStaysEndsReceive(t *testing.T) {
	u := listen(t, "127.0.0.1:0")
	u.receiver.call = func([]unix.Mmsghdr) (int, unix.Errno) { return 0, unix.ENOTSOCK }
	if _, err := u.Receive(); !errors.Is(err, unix.ENOTSOCK) {
		t.Errorf("%v", err)
	}
}

func TestFewerMessagesAreAskedForWhileTheyAreLong(t *testing.T) {
	var asked int
	for _, c := range []struct{ length, want int }{{65507, 8}, {64, 64}, {0, 64}, {8192, 64}, {16384, 32}} {
		r := receiverOf(arrival{data: string(make([]byte, c.length))})
		call := r.call
		r.call = func(heads []unix.Mmsghdr) (int, unix.Errno) {
			asked = len(heads)
			return call(heads)
		}
		r.receive()
		r.datagrams()
		r.receive()
		if asked != c.want {
			t.Errorf("after %d bytes %d messages are asked for, want %d", c.length, asked, c.want)
		}
	}
}
