package load

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	batch   = 64
	slotLen = 2048 // bytes of a datagram that are taken; the rest of a longer one is let go, its length counts
)

// receiver takes datagrams in batches. One goroutine uses it.
type receiver struct {
	socket  *socket
	token   Token
	guests  *guests
	names   []sockname // of the senders; nil: nobody is turned away, and they are not asked for
	heads   [batch]unix.Mmsghdr
	vectors [batch]unix.Iovec
	slots   []byte

	seqs  []uint64 // of the last batch
	bytes int      // of payload in the last batch
}

func newReceiver(s *socket, token Token, g *guests) *receiver {
	r := &receiver{socket: s, token: token, guests: g, slots: make([]byte, batch*slotLen), seqs: make([]uint64, 0, batch)}
	for i := range r.heads {
		r.vectors[i].Base = &r.slots[i*slotLen]
		r.vectors[i].SetLen(slotLen)
		r.heads[i].Hdr.Iov = &r.vectors[i]
		r.heads[i].Hdr.SetIovlen(1)
	}
	if !g.all() {
		r.names = make([]sockname, batch)
	}
	return r
}

// receive waits for at least one datagram and takes what is there. After an interruption of the socket it returns at once.
func (r *receiver) receive() error {
	r.seqs, r.bytes = r.seqs[:0], 0
	for i := range r.names {
		r.heads[i].Hdr.Name, r.heads[i].Hdr.Namelen = (*byte)(unsafe.Pointer(&r.names[i])), sockNameLen
	}
	n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(r.socket.fd), uintptr(unsafe.Pointer(&r.heads[0])), batch,
		unix.MSG_WAITFORONE|unix.MSG_TRUNC, 0, 0)
	if errno == unix.EINTR {
		return nil
	}
	if errno != 0 {
		return errno
	}
	for i := range int(n) {
		whole := int(r.heads[i].Len)
		slot := r.slots[i*slotLen:]
		if seq, ok := parseHead(slot[:min(whole, slotLen)], r.token); ok && r.welcome(i) {
			r.seqs = append(r.seqs, seq)
			r.bytes += whole
		}
	}
	return nil
}

// welcome reports whether the datagram in a slot, which carries the token, comes from one who may use the job.
func (r *receiver) welcome(i int) bool {
	return r.names == nil || r.guests.enter(r.names[i].addrPort().Addr())
}
