package tun

import (
	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/packet"
)

// How much one drain takes from a queue before it returns. Both bound the time until the first of its packets goes on, and
// the memory that is in use at once.
const (
	// drainReads is the greatest number of superpackets: so many that small packets share the cost of a flush, so few that
	// 64 small ones are read in some 30 us.
	drainReads = 64
	// drainBytes is the number of bytes after which no more is read: 16 full superpackets, in an L2 cache of 1 MiB and more
	// together with what is made of them.
	drainBytes = 1 << 20
	// readRoom is what a read may need: the longest IPv6 packet and the header before it, rounded up. The kernel cuts off
	// what does not fit without a word.
	readRoom = 40 + 1<<16 + 64
)

// superReader is the reading half of a superQueue. Packets of a drain lie behind each other at the start of one arena, each
// directly behind its virtio-net header: few small packets touch few cache lines, always the same ones.
type superReader struct {
	arena  []byte // drainBytes and readRoom
	batch  []packet.Superpacket
	shared sharedReads
}

func newSuperReader(arena []byte) superReader {
	return superReader{arena: arena, batch: make([]packet.Superpacket, drainReads)}
}

// drain reads from fd until nothing is there or enough is read. It returns an error only when it returns no packet.
func (r *superReader) drain(fd int) ([]packet.Superpacket, error) {
	var c ReadCounters
	n, used, unreadable := 0, 0, uint64(0)
	var errno unix.Errno
	for n < drainReads && used < drainBytes {
		buf := r.arena[used+slabHeadroom-virtioHeaderLen:][:readRoom]
		var length int
		if length, errno = rawRead(fd, buf); errno != 0 {
			if errno == unix.EINVAL { // tun_put_user: a packet that a virtio-net header cannot describe; the next may be better
				unreadable++
				continue
			}
			break
		}
		p, segments, ok := readSuperpacket(buf, length)
		if !ok {
			unreadable++
			continue
		}
		r.batch[n] = p
		n++
		c.Segments += uint64(segments)
		c.Bytes += uint64(len(p.Data))
		used += (slabHeadroom + len(p.Data) + cacheLine - 1) &^ (cacheLine - 1)
	}
	addRare(&r.shared.unreadable, unreadable)
	if n > 0 {
		c.Batches, c.Superpackets = 1, uint64(n)
		r.shared.add(c)
		return r.batch[:n], nil
	}
	if errno != 0 && errno != unix.EAGAIN {
		return nil, errno
	}
	return nil, nil
}

// cacheLine is that of all processors of today but a few, where it only costs a little.
const cacheLine = 64

// readSuperpacket describes what a read of n bytes has left in buf.
func readSuperpacket(buf []byte, n int) (p packet.Superpacket, segments int, ok bool) {
	if n <= virtioHeaderLen || n > len(buf) {
		return p, 0, false
	}
	return readVirtioHeader(buf).describe(buf[virtioHeaderLen:n:n])
}
