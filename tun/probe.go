package tun

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/packet"
)

const (
	tcpOffloads = unix.TUN_F_CSUM | unix.TUN_F_TSO4 | unix.TUN_F_TSO6 | unix.TUN_F_TSO_ECN
	udpOffloads = unix.TUN_F_USO4 | unix.TUN_F_USO6 // Linux 6.2; to be set together
)

// negotiate finds out what the kernel can, chooses of it what the knobs say, and turns it on. It returns an error when not
// even the offloads of TCP are to be had, and one that wraps errRequired when a knob asks for what the kernel cannot.
func (q *queue) negotiate(knobs OffloadKnobs) (abilities, error) {
	able, err := q.probe()
	if err != nil {
		return able, err
	}
	if able, err = knobs.apply(able); err != nil {
		return able, fmt.Errorf("tun: open %s: %w", q.name, err)
	}
	return able, q.setOffloads(able.flags())
}

// probe turns all offloads on, and finds out which superpackets may be written: kernels around 6.6.44 refuse some with
// EINVAL. A kind of superpacket that only one of IPv4 and IPv6 has does not count.
func (q *queue) probe() (abilities, error) {
	if err := q.setOffloads(tcpOffloads); err != nil {
		return abilities{}, err
	}
	var a abilities
	if err := q.setOffloads(tcpOffloads | udpOffloads); errors.Is(err, unix.EINVAL) {
		a.uso = fmt.Errorf("%w (Linux 6.2 has it)", ErrNotSupported)
	} else if err != nil {
		a.uso = err
	}
	a.joinTCP = q.probeWrites(probeTCP4, probeTCP6)
	if a.joinUDP = a.uso; a.uso == nil { // both came with the same version
		a.joinUDP = q.probeWrites(probeUDP4, probeUDP6)
	}
	return a, nil
}

// probeWrites returns the first failure.
func (q *queue) probeWrites(probes ...writeProbe) error {
	for _, p := range probes {
		if err := q.probeWrite(p); err != nil {
			return err
		}
	}
	return nil
}

// writeProbe is a superpacket of two segments.
type writeProbe struct {
	name    string
	gsoType uint8
	version uint8
	proto   uint8
}

var (
	probeTCP4 = writeProbe{"TCP over IPv4", unix.VIRTIO_NET_HDR_GSO_TCPV4, 4, packet.ProtoTCP}
	probeTCP6 = writeProbe{"TCP over IPv6", unix.VIRTIO_NET_HDR_GSO_TCPV6, 6, packet.ProtoTCP}
	probeUDP4 = writeProbe{"UDP over IPv4", unix.VIRTIO_NET_HDR_GSO_UDP_L4, 4, packet.ProtoUDP}
	probeUDP6 = writeProbe{"UDP over IPv6", unix.VIRTIO_NET_HDR_GSO_UDP_L4, 6, packet.ProtoUDP}
)

// probeWrite writes a superpacket that the kernel looks at and then throws away without a word or an error counter. While
// the interface is down the kernel says EIO instead, but only after it has taken the virtio-net header (tun_get_user).
func (q *queue) probeWrite(p writeProbe) error {
	switch _, err := unix.Write(q.fd, p.bytes()); {
	case err == nil, errors.Is(err, unix.EIO):
		return nil
	case errors.Is(err, unix.EINVAL):
		return fmt.Errorf("%w: it refuses superpackets of %s", ErrNotSupported, p.name)
	default:
		return fmt.Errorf("tun: probe of %s with %s: %w", q.name, p.name, err)
	}
}

// bytes is the superpacket behind its virtio-net header.
func (p writeProbe) bytes() []byte {
	const segment = 100
	ip, transportLen, checksumAt := p.network(), udpLen, udpChecksumAt
	if p.proto == packet.ProtoTCP {
		transportLen, checksumAt = tcpMinLen, tcpChecksumAt
	}
	transport := make([]byte, transportLen+2*segment)
	if p.proto == packet.ProtoTCP {
		transport[12] = tcpMinLen / 4 << 4
	} else {
		binary.BigEndian.PutUint16(transport[4:], uint16(len(transport)))
	}
	p.setLength(ip, len(transport))
	h := virtioHeader{
		flags: unix.VIRTIO_NET_HDR_F_NEEDS_CSUM, gsoType: p.gsoType, gsoSize: segment,
		headerLen: uint16(len(ip) + transportLen), csumStart: uint16(len(ip)), csumOffset: uint16(checksumAt),
	}
	b := make([]byte, virtioHeaderLen)
	h.put(b)
	return append(append(b, ip...), transport...)
}

// network is an IP header without a length, to a multicast group for documentation, which nobody has joined (MCAST-TEST-NET,
// RFC 5771; RFC 6676), and for one hop only.
func (p writeProbe) network() []byte {
	if p.version == 4 {
		b := make([]byte, 20)
		b[0], b[8], b[9] = 0x45, 1, p.proto
		copy(b[12:], []byte{192, 0, 2, 1, 233, 252, 0, 1})
		return b
	}
	b := make([]byte, 40)
	b[0], b[6], b[7] = 0x60, p.proto, 1
	copy(b[8:], []byte{0x20, 0x01, 0x0d, 0xb8, 15: 1})
	copy(b[24:], []byte{0xff, 0x02, 11: 0x0d, 12: 0xb8, 15: 1})
	return b
}

func (p writeProbe) setLength(ip []byte, payload int) {
	if p.version == 6 {
		binary.BigEndian.PutUint16(ip[4:], uint16(payload))
		return
	}
	binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)+payload))
	binary.BigEndian.PutUint16(ip[10:], ^packet.Fold(packet.Sum(ip, 0)))
}
