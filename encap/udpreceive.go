package encap

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// One call asks for at most receiveBatch messages, and for fewer where they were long the last time: about receiveBytes in
// all. The slots are used from the first one on, so that those which hold what a lane works on stay in the second-level
// cache: eight while trains of 64 KiB come, and of 64 little more than the beginnings while small datagrams do.
const (
	receiveBatch = 64
	receiveBytes = 512 << 10
	minLongest   = receiveBytes / receiveBatch
)

const (
	// slotLen holds any datagram, and any train that the kernel has joined: none is ever cut. Only the pages that datagrams
	// reach are ever touched. The odd 25 cache lines keep the slots' beginnings from competing for the same lines of the
	// first-level cache.
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

	want     int    // messages to ask for
	count    int    // messages of the last call
	overflow uint32 // last value of the kernel's count
	call     func(heads []unix.Mmsghdr) (int, unix.Errno)
}

func newUDPReceiver(from *socket) *udpReceiver {
	r := &udpReceiver{slots: make([]byte, receiveBatch*slotLen), want: receiveBatch}
	r.call = func(heads []unix.Mmsghdr) (int, unix.Errno) { return recvmmsg(from.fd, heads) }
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

// recvmmsg is the system call. It never waits, and copies at most what fits a batch, so it is a RawSyscall: a lane that
// spins on an empty socket need not tell the scheduler each time.
func recvmmsg(fd int, heads []unix.Mmsghdr) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&heads[0])), uintptr(len(heads)),
		unix.MSG_DONTWAIT, 0, 0)
	return int(n), errno
}

// arm gives the kernel the lengths that it overwrites.
func (r *udpReceiver) arm(i int) {
	h := &r.heads[i].Hdr
	h.Namelen = uint32(unsafe.Sizeof(sockaddr{}))
	h.SetControllen(int(unsafe.Sizeof(ancillary{})))
	h.Flags = 0
}

// maxPending bounds how many errors in a row are taken for leftovers of earlier sends.
const maxPending = 16

// receive takes what is there; 0: EAGAIN is no error. An error that waited at the socket since an earlier send is reported
// once, so it goes on after it.
func (r *udpReceiver) receive() unix.Errno {
	for i := range r.count {
		r.arm(i)
	}
	r.count = 0
	for tries := 0; ; tries++ {
		n, errno := r.call(r.heads[:r.want])
		switch {
		case errno == 0:
			r.count = n
			return 0
		case errno == unix.EAGAIN:
			return 0
		case errno != unix.EINTR && tries >= maxPending:
			return errno
		}
	}
}

// datagrams is what the last call received, and by how much the kernel's overflow count, which is modulo 2^32, has grown.
// The kernel sends no count while there is none to send.
func (r *udpReceiver) datagrams() ([]Datagram, uint32) {
	before, n, longest := r.overflow, 0, minLongest
	for i := range r.count {
		info := r.control[i].parse(int(r.heads[i].Hdr.Controllen))
		if info.overflow != 0 {
			r.overflow = info.overflow
		}
		length := int(r.heads[i].Len)
		longest = max(longest, length)
		data := unpad(r.slots[i*slotLen:i*slotLen+length:i*slotLen+length], info.segment)
		if len(data) == 0 && length > 0 {
			continue
		}
		if info.segment < 0 || info.segment >= len(data) {
			info.segment = 0
		}
		r.out[n] = Datagram{
			From: Endpoint{Addr: sockaddrPort(&r.names[i]), Local: info.local},
			Data: data, Size: info.segment, ECN: info.tos & 3, DSCP: info.tos >> 2,
		}
		n++
	}
	if r.count > 0 {
		r.want = receiveBytes / longest
	}
	return r.out[:n], r.overflow - before
}

// unpad takes away the padding that ends frames of size bytes, or that is all there is.
func unpad(data []byte, size int) []byte {
	last := len(data) - 1
	if last < 0 || data[last] != padding[0] {
		return data
	}
	if last == 0 || size > 1 && last%size == 0 {
		return data[:last]
	}
	return data
}
