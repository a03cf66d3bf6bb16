package load

import (
	"time"
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

// blast sends for a time at a rate (0: as fast as the kernel takes it) and returns how many datagrams the kernel took and
// how long that was.
func (b *blaster) blast(rate float64, d time.Duration, stop func() bool) (sent uint64, took time.Duration, err error) {
	first := b.next
	start := time.Now()
	p := pacer{rate: rate}
	var clock unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &clock); err != nil {
		return 0, 0, err
	}
	for elapsed := time.Duration(0); elapsed < d && !stop(); elapsed = time.Since(start) {
		count := batch
		if rate > 0 {
			count = min(p.due(elapsed), batch)
		}
		n, err := b.send(count)
		if err != nil {
			return b.next - first, time.Since(start), err
		}
		p.done += n
		if rate > 0 && p.due(elapsed) == 0 {
			at := min(p.next(elapsed), d)
			sleepUntil(unix.NsecToTimespec(clock.Nano() + at.Nanoseconds()))
		}
	}
	return b.next - first, time.Since(start), nil
}

// send sends up to count datagrams, at most batch, and returns how many the kernel took. That it has no room for the next
// one (ENOBUFS of a full queue) is no error: it was not sent.
func (b *blaster) send(count int) (int, error) {
	for i := range count {
		putHead(b.slots[i][:], b.token, b.next+uint64(i))
	}
	if count <= 0 {
		return 0, nil
	}
	n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(b.socket.fd), uintptr(unsafe.Pointer(&b.heads[0])), uintptr(count),
		unix.MSG_NOSIGNAL, 0, 0)
	switch errno {
	case 0:
		b.next += uint64(n)
		return int(n), nil
	case unix.EINTR, unix.ENOBUFS, unix.EAGAIN:
		return 0, nil
	}
	return 0, errno
}
