package tun

import (
	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/packet"
)

// cutter writes a superpacket in parts, each in one call: a header of its own and a slice of the payload.
type cutter struct {
	segmenter packet.Segmenter
	header    [virtioHeaderLen + packet.MaxHeader]byte
	iov       [2]unix.Iovec
	plain     virtioHeader // of a part that is one segment
	super     virtioHeader // of a longer one
	size      int          // payload bytes of a segment
}

// write writes pkt, which is p in one piece, in parts that carry size bytes each: one segment, or several with the header h.
// It goes on after a part that is refused: the others may still be of use. Only EINVAL for a first part of several segments
// ends it.
func (c *cutter) write(fd int, pkt []byte, p *packet.Superpacket, size int, h virtioHeader, count *WriteCounters) error {
	if err := c.segmenter.Reset(pkt, size, p.ChecksumStart, p.ChecksumOffset); err != nil {
		return err
	}
	c.size, c.super, c.plain = p.SegmentSize, h, virtioHeader{}
	if p.Partial() {
		c.plain = partialHeader(p)
	}
	var first error
	for i := 0; ; i++ {
		n, payload, ok := c.next(p.Partial())
		if !ok {
			return first
		}
		err := c.writePart(fd, n, payload, count)
		if err == unix.EINVAL && i == 0 && size > c.size {
			return err
		}
		if first == nil {
			first = err
		}
	}
}

// next puts the headers of the next part in place, and returns the length of those of the packet. A checksum that is partial
// stays so: the kernel completes it where somebody needs it.
func (c *cutter) next(partial bool) (headerLen int, payload []byte, ok bool) {
	if partial {
		headerLen, payload, ok = c.segmenter.NextPartial(c.header[virtioHeaderLen:])
	} else {
		headerLen, payload, ok = c.segmenter.Next(c.header[virtioHeaderLen:])
	}
	if len(payload) > c.size {
		c.super.put(c.header[:])
	} else {
		c.plain.put(c.header[:])
	}
	return headerLen, payload, ok
}

func (c *cutter) writePart(fd, headerLen int, payload []byte, count *WriteCounters) error {
	c.iov[0] = piece(c.header[:virtioHeaderLen+headerLen])
	iov := c.iov[:1]
	if len(payload) > 0 {
		c.iov[1] = piece(payload)
		iov = c.iov[:]
	}
	count.Calls++
	if errno := rawWritev(fd, iov); errno != 0 {
		return errno
	}
	count.Segments += uint64(max(1, (len(payload)+c.size-1)/c.size))
	count.Pieces += uint64(len(iov))
	count.Bytes += uint64(headerLen + len(payload))
	return nil
}
