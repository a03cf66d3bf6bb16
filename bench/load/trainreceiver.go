package load

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	trainBatch = 8
	trainSlot  = 1 << 16 // a buffer that is shorter would truncate what UDP_GRO joins
)

// trainReceiver takes datagrams in batches, those that the kernel has joined (UDP_GRO, Linux 5.0) in one piece, and compares
// all their bytes. One goroutine uses it.
type trainReceiver struct {
	socket   *socket
	token    Token
	guests   *guests
	names    []sockname // of the senders; nil: nobody is turned away, and they are not asked for
	heads    [trainBatch]unix.Mmsghdr
	vectors  [trainBatch]unix.Iovec
	controls [trainBatch][groControl]byte
	slots    []byte

	seqs    []uint64 // of the last batch, of what arrived intact
	bytes   int      // of payload of those
	damaged int      // datagrams of the last batch that are not what was sent
}

// groControl is room for one control message with an int: its header of 16 bytes (struct cmsghdr) and the int, aligned.
const groControl = 16 + 8

func newTrainReceiver(s *socket, token Token, g *guests) *trainReceiver {
	_ = s.set(unix.IPPROTO_UDP, unix.UDP_GRO, 1) // where the kernel does not have it, each datagram comes alone
	r := &trainReceiver{socket: s, token: token, guests: g, slots: make([]byte, trainBatch*trainSlot)}
	for i := range r.heads {
		r.vectors[i].Base = &r.slots[i*trainSlot]
		r.vectors[i].SetLen(trainSlot)
		r.heads[i].Hdr.Iov = &r.vectors[i]
		r.heads[i].Hdr.SetIovlen(1)
		r.heads[i].Hdr.Control = &r.controls[i][0]
	}
	if !g.all() {
		r.names = make([]sockname, trainBatch)
	}
	return r
}

// receive waits for at least one datagram and takes what is there. After an interruption of the socket it returns at once.
func (r *trainReceiver) receive() error {
	r.seqs, r.bytes, r.damaged = r.seqs[:0], 0, 0
	for i := range r.heads {
		r.heads[i].Hdr.SetControllen(groControl)
		if r.names != nil {
			r.heads[i].Hdr.Name, r.heads[i].Hdr.Namelen = (*byte)(unsafe.Pointer(&r.names[i])), sockNameLen
		}
	}
	n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(r.socket.fd), uintptr(unsafe.Pointer(&r.heads[0])), trainBatch,
		unix.MSG_WAITFORONE, 0, 0)
	if errno == unix.EINTR {
		return nil
	}
	if errno != 0 {
		return errno
	}
	for i := range int(n) {
		r.take(i)
	}
	return nil
}

// take compares what one slot holds.
func (r *trainReceiver) take(i int) {
	train := r.slots[i*trainSlot:][:r.heads[i].Len]
	size := r.segment(i)
	if size <= 0 {
		size = len(train)
	}
	for first := true; first || len(train) > 0; first = false {
		one := train[:min(size, len(train))]
		train = train[len(one):]
		seq, intact := parseChecked(one, r.token)
		switch {
		case intact && (r.names == nil || r.guests.enter(r.names[i].addrPort().Addr())):
			r.seqs = append(r.seqs, seq)
			r.bytes += len(one)
		case !intact && r.names == nil: // where there may be strangers, it may be theirs
			r.damaged++
		}
	}
}

// segment is the length of the datagrams that a slot holds; 0: it holds one.
func (r *trainReceiver) segment(i int) int {
	if int(r.heads[i].Hdr.Controllen) < unix.CmsgLen(4) {
		return 0
	}
	control := r.controls[i][:]
	h := (*unix.Cmsghdr)(unsafe.Pointer(&control[0]))
	if h.Level != unix.IPPROTO_UDP || h.Type != unix.UDP_GRO {
		return 0
	}
	return int(int32(binary.NativeEndian.Uint32(control[unix.CmsgLen(0):])))
}
