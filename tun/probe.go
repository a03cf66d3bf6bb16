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
	udpOffloads = unix.TUN_F_USO4 | unix.TUN_F_USO6 // Linux 6.2
)

// abilities are what a probe found. nil: the kernel can. ErrNotSupported: it cannot. Other errors: the probe failed.
type abilities struct {
	uso     error // superpackets of UDP can be read
	joinTCP error // superpackets of TCP can be written
	joinUDP error
}

// offloads says what became of each.
func (a abilities) offloads() []Offload {
	return []Offload{
		{Name: "checksum", State: OffloadOn},
		{Name: "tso", State: OffloadOn},
		offload("uso", a.uso),
		offload("join-tcp", a.joinTCP),
		offload("join-udp", a.joinUDP),
	}
}

// offload turns the outcome of a probe into words. A probe that could not run says so.
func offload(name string, err error) Offload {
	switch {
	case err == nil:
		return Offload{Name: name, State: OffloadOn}
	case errors.Is(err, ErrNotSupported):
		return Offload{Name: name, State: OffloadUnavailable, Reason: err.Error()}
	}
	return Offload{Name: name, State: OffloadOff, Reason: err.Error()}
}

// probe turns the offloads on, and finds out which superpackets may be written: kernels around 6.6.44 refuse some with
// EINVAL. It returns an error when not even the offloads of TCP are to be had.
func (q *queue) probe() (abilities, error) {
	if err := q.setOffloads(tcpOffloads); err != nil {
		return abilities{}, err
	}
	var a abilities
	if err := q.setOffloads(tcpOffloads | udpOffloads); err != nil {
		a.uso = fmt.Errorf("%w (Linux 6.2 has it)", ErrNotSupported)
	}
	a.joinTCP = q.probeWrite(unix.VIRTIO_NET_HDR_GSO_TCPV4, unix.IPPROTO_TCP, 20, 16)
	a.joinUDP = q.probeWrite(unix.VIRTIO_NET_HDR_GSO_UDP_L4, unix.IPPROTO_UDP, 8, 6)
	if a.uso != nil {
		a.joinUDP = a.uso // both came with the same version, and the library joins only if it can read
	}
	return a, nil
}

// probeWrite writes a superpacket that the kernel looks at and then throws away without a word or an error counter: it goes
// to a multicast group for documentation (MCAST-TEST-NET, RFC 5771), which nobody has joined, with a TTL of 1. While the
// interface is down the kernel says EIO instead, but only after it has taken the virtio-net header (tun_get_user).
func (q *queue) probeWrite(gsoType, proto uint8, headerLen, checksumOffset int) error {
	const ipLen, segment = 20, 100
	b := make([]byte, virtioHeaderLen+ipLen+headerLen+2*segment)
	b[0], b[1] = unix.VIRTIO_NET_HDR_F_NEEDS_CSUM, gsoType
	binary.NativeEndian.PutUint16(b[2:], uint16(ipLen+headerLen))
	binary.NativeEndian.PutUint16(b[4:], segment)
	binary.NativeEndian.PutUint16(b[6:], ipLen)
	binary.NativeEndian.PutUint16(b[8:], uint16(checksumOffset))

	ip := b[virtioHeaderLen:]
	ip[0], ip[8], ip[9] = 0x45, 1, proto
	binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)))
	copy(ip[12:], []byte{192, 0, 2, 1, 233, 252, 0, 1})
	binary.BigEndian.PutUint16(ip[10:], ^packet.Fold(packet.Sum(ip[:ipLen], 0)))
	if proto == unix.IPPROTO_TCP {
		ip[ipLen+12] = 5 << 4
	} else {
		binary.BigEndian.PutUint16(ip[ipLen+4:], uint16(len(ip)-ipLen))
	}
	switch _, err := unix.Write(q.fd, b); {
	case err == nil, errors.Is(err, unix.EIO):
		return nil
	case errors.Is(err, unix.EINVAL):
		return fmt.Errorf("%w: it refuses superpackets", ErrNotSupported)
	default:
		return fmt.Errorf("tun: probe of %s: %w", q.name, err)
	}
}
