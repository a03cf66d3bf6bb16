package encap

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// fakeKernel takes what a udpSender sends, cuts trains as the kernel does, and refuses as the test says.
type fakeKernel struct {
	refuse  func(m sentMessage) unix.Errno // asked for each message; nil: none is refused
	answers []answerOf                     // for the next calls, in their order, before refuse is asked
	frames  map[netip.AddrPort][][]byte    // taken, padding included
	taken   []byte                         // the first byte of each message taken
	calls   int
	wrong   error // what no kernel would take
}

// answerOf is what a call returns.
type answerOf struct {
	n     int // messages taken
	errno unix.Errno
}

// sentMessage is a message as the kernel sees it.
type sentMessage struct {
	to      netip.AddrPort
	data    []byte
	segment int // 0: one frame
	source  netip.Addr
}

func (m sentMessage) train() bool { return m.segment > 0 && len(m.data) > m.segment }

func (k *fakeKernel) sender(gso *segmentation) *udpSender {
	k.frames = map[netip.AddrPort][][]byte{}
	s := newUDPSender(nil, true, gso)
	s.call, s.wait = k.sendmmsg, func(time.Duration) error { return nil }
	return s
}

// sendmmsg takes messages up to the first that is refused; its error is told only if it is the first of all.
func (k *fakeKernel) sendmmsg(heads []unix.Mmsghdr) (int, unix.Errno) {
	k.calls++
	most := len(heads)
	if len(k.answers) > 0 {
		next := k.answers[0]
		k.answers = k.answers[1:]
		if next.errno != 0 {
			return 0, next.errno
		}
		most = next.n
	}
	for i := range most {
		m := k.decode(&heads[i].Hdr)
		if k.refuse == nil {
			k.take(m)
			continue
		}
		switch errno := k.refuse(m); {
		case errno == 0:
			k.take(m)
		case i > 0:
			return i, 0
		default:
			return 0, errno
		}
	}
	return most, 0
}

func (k *fakeKernel) take(m sentMessage) {
	k.taken = append(k.taken, m.data[0])
	if !m.train() {
		k.frames[m.to] = append(k.frames[m.to], m.data)
		return
	}
	k.frames[m.to] = append(k.frames[m.to], framesOf(Datagram{Data: m.data, Size: m.segment})...)
}

func (k *fakeKernel) decode(h *unix.Msghdr) (m sentMessage) {
	m.to = sockaddrPort((*sockaddr)(unsafe.Pointer(h.Name)))
	for _, v := range unsafe.Slice(h.Iov, int(h.Iovlen)) {
		m.data = appendPiece(m.data, v)
	}
	if h.Controllen > 0 {
		k.control(&m, unsafe.Slice(h.Control, int(h.Controllen)))
	}
	k.check(h, m)
	return m
}

// appendPiece reads a piece as the kernel does: it may reach over several Go objects that lie side by side.
//
//go:nocheckptr
func appendPiece(data []byte, v unix.Iovec) []byte {
	return append(data, unsafe.Slice(v.Base, int(v.Len))...)
}

func (k *fakeKernel) control(m *sentMessage, b []byte) {
	messages, err := unix.ParseSocketControlMessage(bytes.Clone(b))
	if err != nil {
		k.wrong = err
	}
	for _, c := range messages {
		switch {
		case c.Header.Level == unix.SOL_UDP && c.Header.Type == unix.UDP_SEGMENT:
			m.segment = int(binary.NativeEndian.Uint16(c.Data))
		case c.Header.Level == unix.SOL_IP && c.Header.Type == unix.IP_PKTINFO:
			m.source = netip.AddrFrom4([4]byte(c.Data[4:8]))
		}
	}
}

// check holds a message against the limits that hold for all kernels.
func (k *fakeKernel) check(h *unix.Msghdr, m sentMessage) {
	segments, most := 1, 65507
	if !m.to.Addr().Is4() {
		most = 65487
	}
	if m.train() {
		segments = (len(m.data) + m.segment - 1) / m.segment
	}
	if h.Iovlen > 1024 || segments > 128 || segments > 1 && len(m.data) > most || m.segment > 0 && segments == 1 {
		k.wrong = fmt.Errorf("a message of %d pieces, %d bytes, %d segments of %d", h.Iovlen, len(m.data), segments, m.segment)
	}
}
