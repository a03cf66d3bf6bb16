package tun

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/packet"
)

// maxPieces is the most that one writev takes (UIO_MAXIOV, include/uapi/linux/uio.h).
const maxPieces = 1024

// maxUDPSegments is the most that all kernels take in a UDP superpacket (UDP_MAX_SEGMENTS; from Linux 6.9 it is 128). What
// goes beyond is EINVAL.
const maxUDPSegments = 64

// superWriter is the writing half of a superQueue: one writev for each superpacket, gathered by the kernel from where its
// parts lie.
type superWriter struct {
	able    abilities
	maxUDP  int // segments of one superpacket
	header  [virtioHeaderLen]byte
	iov     []unix.Iovec
	joinBuf []byte // a superpacket in one piece
	cutter  cutter
	count   WriteCounters
	shared  sharedWrites
}

func newSuperWriter(able abilities, joinBuf []byte) superWriter {
	return superWriter{
		able: able, maxUDP: maxUDPSegments, joinBuf: joinBuf,
		iov: make([]unix.Iovec, maxPieces),
	}
}

// write returns how many of the batch went entirely, and why the first other one did not. It stops at an error that all
// others would get too.
func (w *superWriter) write(fd int, batch []packet.Superpacket) (written int, err error) {
	w.count = WriteCounters{Batches: 1}
	for i := range batch {
		refused := w.writeSuperpacket(fd, &batch[i])
		if refused == nil {
			written++
			continue
		}
		if err == nil {
			err = refused
		}
		if refused == unix.EBADFD {
			break
		}
	}
	w.count.Superpackets = uint64(written)
	w.shared.add(w.count)
	return written, err
}

func (w *superWriter) writeSuperpacket(fd int, p *packet.Superpacket) error {
	n := p.Len()
	switch {
	case n == 0 || n > maxPacket:
		return errSize
	case p.ChecksumStart < 0 || p.ChecksumOffset < 0 || p.Partial() && p.ChecksumStart+p.ChecksumOffset+2 > n:
		return packet.ErrChecksum
	case p.SegmentSize > 0:
		return w.writeSegments(fd, p, n)
	case p.Partial():
		return w.writeWhole(fd, p, partialHeader(p), n, 1)
	}
	return w.writeWhole(fd, p, virtioHeader{}, n, 1)
}

// errSize is not made anew for each packet.
var errSize error = unix.EMSGSIZE

func partialHeader(p *packet.Superpacket) virtioHeader {
	return virtioHeader{
		flags:     unix.VIRTIO_NET_HDR_F_NEEDS_CSUM,
		csumStart: uint16(p.ChecksumStart), csumOffset: uint16(p.ChecksumOffset),
	}
}

// writeSegments writes a superpacket of n bytes whole if it may, and else in parts.
func (w *superWriter) writeSegments(fd int, p *packet.Superpacket, n int) error {
	h, segments, ok := w.describe(p, n)
	if !ok {
		w.count.Cut++
		return w.cut(fd, p)
	}
	if segments > w.maxUDP && h.gsoType == unix.VIRTIO_NET_HDR_GSO_UDP_L4 {
		w.count.Cut++
		return w.cutIntoTrains(fd, p, h)
	}
	err := w.writeWhole(fd, p, h, n, segments)
	if err == unix.EINVAL && segments > 1 { // the probe did not foresee it
		w.count.Refused++
		return w.cut(fd, p)
	}
	return err
}

// cut writes the segments one by one.
func (w *superWriter) cut(fd int, p *packet.Superpacket) error {
	return w.writeParts(fd, p, p.SegmentSize, virtioHeader{})
}

// cutIntoTrains writes superpackets of maxUDP segments each, for there are too many for one; h is for these. Their IPv4
// identifications overlap, which only matters where they may be fragmented.
func (w *superWriter) cutIntoTrains(fd int, p *packet.Superpacket, h virtioHeader) error {
	err := w.writeParts(fd, p, w.maxUDP*p.SegmentSize, h)
	if err == unix.EINVAL { // nothing was written
		w.count.Refused++
		return w.cut(fd, p)
	}
	return err
}

// writeParts writes p in parts that carry size bytes each; h is for those of several segments.
func (w *superWriter) writeParts(fd int, p *packet.Superpacket, size int, h virtioHeader) error {
	pkt, err := contiguous(p, w.joinBuf)
	if err != nil {
		return err
	}
	if len(p.Tail) > 0 {
		w.count.Copied++
	}
	return w.cutter.write(fd, pkt, p, size, h, &w.count)
}

// describe makes the header of a superpacket of n bytes. ok is false when it must be cut: its checksum is complete, which the
// kernel does not take for UDP; its headers are not in Data, or not what the checksum's place says; or such are not to be
// written whole.
func (w *superWriter) describe(p *packet.Superpacket, n int) (h virtioHeader, segments int, ok bool) {
	h = partialHeader(p)
	headerLen := 0
	switch p.ChecksumOffset {
	case tcpChecksumAt:
		headerLen, ok = w.describeTCP(p, &h)
	case udpChecksumAt:
		headerLen, ok = p.ChecksumStart+udpLen, w.able.joinUDP == nil
		h.gsoType = unix.VIRTIO_NET_HDR_GSO_UDP_L4
	}
	if !ok || headerLen > len(p.Data) {
		return h, 0, false
	}
	if n-headerLen <= p.SegmentSize {
		return partialHeader(p), 1, true
	}
	h.headerLen, h.gsoSize = uint16(headerLen), uint16(p.SegmentSize)
	return h, (n - headerLen + p.SegmentSize - 1) / p.SegmentSize, true
}

// describeTCP sets the type: with its ECN bit when the packet has CWR, which is for the first segment only (virtio 1.3,
// section 5.1.6.2; SKB_GSO_TCP_ECN).
func (w *superWriter) describeTCP(p *packet.Superpacket, h *virtioHeader) (headerLen int, ok bool) {
	const flagsAt, cwr = 13, 0x80
	if w.able.joinTCP != nil || p.ChecksumStart+tcpMinLen > len(p.Data) {
		return 0, false
	}
	h.gsoType = unix.VIRTIO_NET_HDR_GSO_TCPV4
	if p.Data[0]>>4 == 6 {
		h.gsoType = unix.VIRTIO_NET_HDR_GSO_TCPV6
	}
	tcp := p.Data[p.ChecksumStart:]
	if tcp[flagsAt]&cwr != 0 {
		h.gsoType |= unix.VIRTIO_NET_HDR_GSO_ECN
	}
	return p.ChecksumStart + int(tcp[12]>>4)*4, true
}

// writeWhole writes n bytes in one call, or an error of the kernel.
func (w *superWriter) writeWhole(fd int, p *packet.Superpacket, h virtioHeader, n, segments int) error {
	h.put(w.header[:])
	iov := append(w.iov[:0], piece(w.header[:]))
	if len(p.Tail) > maxPieces-2 {
		buf, err := gather(p, w.joinBuf)
		if err != nil {
			return err
		}
		w.count.Copied++
		iov = append(iov, piece(buf))
	} else {
		iov = appendPieces(iov, p)
	}
	w.count.Calls++
	if errno := rawWritev(fd, iov); errno != 0 {
		return errno
	}
	w.count.Segments += uint64(segments)
	w.count.Bytes += uint64(n)
	w.count.Pieces += uint64(len(iov) - 1)
	return nil
}

func appendPieces(iov []unix.Iovec, p *packet.Superpacket) []unix.Iovec {
	if len(p.Data) > 0 {
		iov = append(iov, piece(p.Data))
	}
	for _, t := range p.Tail {
		if len(t) > 0 {
			iov = append(iov, piece(t))
		}
	}
	return iov
}

func piece(b []byte) unix.Iovec {
	v := unix.Iovec{Base: unsafe.SliceData(b)}
	v.SetLen(len(b))
	return v
}
