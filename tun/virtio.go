package tun

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/packet"
)

// virtioHeaderLen is the length of struct virtio_net_hdr (include/uapi/linux/virtio_net.h), which comes before each packet
// of a device with IFF_VNET_HDR.
const virtioHeaderLen = 10

// virtioHeader is that struct. A TUN device writes it in the byte order of the machine (TUNSETVNETLE 0).
type virtioHeader struct {
	flags, gsoType                            uint8
	headerLen, gsoSize, csumStart, csumOffset uint16
}

func readVirtioHeader(b []byte) virtioHeader {
	_ = b[virtioHeaderLen-1]
	return virtioHeader{
		flags:      b[0],
		gsoType:    b[1],
		headerLen:  binary.NativeEndian.Uint16(b[2:]),
		gsoSize:    binary.NativeEndian.Uint16(b[4:]),
		csumStart:  binary.NativeEndian.Uint16(b[6:]),
		csumOffset: binary.NativeEndian.Uint16(b[8:]),
	}
}

func (h virtioHeader) put(b []byte) {
	_ = b[virtioHeaderLen-1]
	b[0], b[1] = h.flags, h.gsoType
	binary.NativeEndian.PutUint16(b[2:], h.headerLen)
	binary.NativeEndian.PutUint16(b[4:], h.gsoSize)
	binary.NativeEndian.PutUint16(b[6:], h.csumStart)
	binary.NativeEndian.PutUint16(b[8:], h.csumOffset)
}

// describe makes the descriptor of pkt, which came behind h, and says how many segments it stands for. ok is false when
// header and packet disagree, or the header says what nobody asked for. The length of headers that h states is only a hint,
// and wrong for forwarded packets: it is not looked at.
func (h virtioHeader) describe(pkt []byte) (p packet.Superpacket, segments int, ok bool) {
	p.Data = pkt
	if h.flags&unix.VIRTIO_NET_HDR_F_NEEDS_CSUM != 0 {
		p.ChecksumStart, p.ChecksumOffset = int(h.csumStart), int(h.csumOffset)
		if !p.Partial() || p.ChecksumStart+p.ChecksumOffset+2 > len(pkt) {
			return p, 0, false
		}
	}
	if h.gsoType == unix.VIRTIO_NET_HDR_GSO_NONE {
		return p, 1, true
	}
	payload, ok := h.payload(pkt)
	if !ok || h.gsoSize == 0 {
		return p, 0, false
	}
	size := int(h.gsoSize)
	if payload <= size {
		return p, 1, true
	}
	p.SegmentSize = size
	return p, (payload + size - 1) / size, true
}

// payload is the number of bytes behind the transport header of a packet that is to be segmented. ok is false when the packet
// is not what the header says.
func (h virtioHeader) payload(pkt []byte) (n int, ok bool) {
	ip, err := packet.Parse(pkt)
	if err != nil || ip.Fragment {
		return 0, false
	}
	switch h.gsoType &^ unix.VIRTIO_NET_HDR_GSO_ECN {
	case unix.VIRTIO_NET_HDR_GSO_TCPV4:
		ok = ip.Version == 4 && ip.Proto == packet.ProtoTCP
	case unix.VIRTIO_NET_HDR_GSO_TCPV6:
		ok = ip.Version == 6 && ip.Proto == packet.ProtoTCP
	case unix.VIRTIO_NET_HDR_GSO_UDP_L4:
		ok = ip.Proto == packet.ProtoUDP
	}
	headerLen := transportLen(ip.Proto, pkt[ip.L4:ip.Length])
	return ip.Length - ip.L4 - headerLen, ok && headerLen > 0
}

const (
	tcpChecksumAt = 16 // offsets in the transport header
	udpChecksumAt = 6
	tcpMinLen     = 20
	udpLen        = 8
)

// transportLen is the length of the TCP or UDP header at the start of b, or 0 if it does not lie in b.
func transportLen(proto uint8, b []byte) int {
	n := udpLen
	if proto == packet.ProtoTCP {
		if len(b) < tcpMinLen {
			return 0
		}
		n = max(tcpMinLen, int(b[12]>>4)*4)
	}
	if n > len(b) {
		return 0
	}
	return n
}
