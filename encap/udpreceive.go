package encap

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	receiveBatch = 64
	// slotLen holds any datagram: none is ever cut. Only the pages that datagrams reach are ever touched. The odd
	// 25 cache lines keep the slots' beginnings from competing for the same lines of the first-level cache.
	slotLen = 1<<16 + 25*64
)

// udpReceiver is the memory of one recvmmsg. One goroutine uses it.
type udpReceiver struct {
	heads   [receiveBatch]unix.Mmsghdr
	vectors [receiveBatch]unix.Iovec
	names   [receiveBatch]sockaddr
	control [receiveBatch]ancillary
	slots   []byte
	out     [receiveBatch]Datagram

	count    int // messages of the last call
	errno    unix.Errno
	overflow uint32                // last value of the kernel's count
	try      func(fd uintptr) bool // receive, made once: a new closure would be an allocation for each call
}

func newUDPReceiver(is6 bool) *udpReceiver {
	r := &udpReceiver{slots: make([]byte, receiveBatch*slotLen)}
	r.try = r.receive
	for i := range r.heads {
		slot := r.slots[i*slotLen : (i+1)*slotLen]
		r.vectors[i].Base = &slot[0]
		r.vectors[i].SetLen(1 << 16)
		h := &r.heads[i].Hdr
		h.Name = (*byte)(unsafe.Pointer(&r.names[i]))
		h.Iov = &r.vectors[i]
		h.SetIovlen(1)
		h.Control = (*byte)(unsafe.Pointer(&r.control[i]))
		r.arm(i)
	}
	return r
}

// arm gives the kernel the lengths that it overwrites.
func (r *udpReceiver) arm(i int) {
	h := &r.heads[i].Hdr
	h.Namelen = uint32(unsafe.Sizeof(sockaddr{}))
	h.SetControllen(int(unsafe.Sizeof(ancillary{})))
	h.Flags = 0
}

func (r *udpReceiver) rearm() {
	for i := range r.count {
		r.arm(i)
	}
	r.count = 0
}

// receive takes what is there. false: nothing, wait.
func (r *udpReceiver) receive(fd uintptr) bool {
	for {
		n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&r.heads[0])), receiveBatch,
			unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			r.count, r.errno = int(n), 0
			return true
		case unix.EINTR:
		case unix.EAGAIN:
			return false
		default:
			r.errno = errno
			return true
		}
	}
}

// datagrams is what the last call received, and by how much the kernel's overflow count, which is modulo 2^32, has grown.
// The kernel sends no count while there is none to send.
func (r *udpReceiver) datagrams() ([]Datagram, uint32) {
	before := r.overflow
	for i := range r.count {
		h := &r.heads[i]
		info := r.control[i].parse(int(h.Hdr.Controllen))
		if info.overflow != 0 {
			r.overflow = info.overflow
		}
		r.out[i] = Datagram{
			From: Endpoint{Addr: sockaddrPort(&r.names[i]), Local: info.local},
			Data: r.slots[i*slotLen : i*slotLen+int(h.Len) : i*slotLen+int(h.Len)],
			ECN:  info.tos & 3,
		}
	}
	return r.out[:r.count], r.overflow - before
}
