package load

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// blaster sends numbered datagrams of one size, a packet each: there is no segmentation offload, since packets are what is
// measured. One goroutine uses it, on a thread of its own.
type blaster struct {
	socket  *socket
	token   Token
	heads   [batch]unix.Mmsghdr
	vectors [batch][2]unix.Iovec
	slots   [batch][headLen]byte
	payload []byte // after the head; all datagrams share it
	next    uint64 // sequence number
}

func newBlaster(s *socket, token Token, size int) *blaster {
	b := &blaster{socket: s, token: token, payload: make([]byte, size)}
	fill(b.payload)
	for i := range b.heads {
		b.vectors[i][0].Base = &b.slots[i][0]
		b.vectors[i][0].SetLen(headLen)
		b.vectors[i][1].Base = &b.payload[0]
		b.vectors[i][1].SetLen(size - headLen)
		b.heads[i].Hdr.Iov = &b.vectors[i][0]
		b.heads[i].Hdr.SetIovlen(2)
	}
	return b
}

// unit implements burster.
func (b *blaster) unit() int { return 1 }

// burst implements burster.
func (b *blaster) burst() int { return batch }

// send implements burster.
func (b *blaster) send(count int) (int, error) {
	for i := range count {
		putHead(b.slots[i][:], b.token, b.next+uint64(i))
	}
	if count <= 0 {
		return 0, nil
	}
	n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(b.socket.fd), uintptr(unsafe.Pointer(&b.heads[0])), uintptr(count),
		unix.MSG_NOSIGNAL, 0, 0)
	switch {
	case errno == 0:
		b.next += uint64(n)
		return int(n), nil
	case full(errno):
		return 0, nil
	}
	return 0, errno
}
