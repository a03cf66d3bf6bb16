package attack

import (
	"encoding/binary"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/packet/packettest"
)

// Datagram is one UDP payload on the underlay. The family of From decides that of the packet: an IPv4 address in IPv6 form makes
// an IPv6 packet, whose destination is To in that form if To is IPv4.
type Datagram struct {
	From, To netip.AddrPort
	Payload  []byte
}

// etherLen is the length of an Ethernet header.
const etherLen = 14

// strangerMAC is the Ethernet address of who sends by a Wire, locally administered; no host of a lab has it.
var strangerMAC = net.HardwareAddr{0x02, 0x77, 0x65, 0x66, 0x74, 0x99}

// ethernet is the frame that brings d to the interface with the address to, with complete checksums.
func (d Datagram) ethernet(to net.HardwareAddr) []byte {
	protocol, dst := uint16(unix.ETH_P_IP), d.To.Addr()
	if !d.From.Addr().Is4() {
		protocol, dst = unix.ETH_P_IPV6, netip.AddrFrom16(dst.As16())
	}
	frame := append(append(make([]byte, 0, etherLen), to...), strangerMAC...)
	frame = binary.BigEndian.AppendUint16(frame, protocol)
	return append(frame, packettest.UDP{
		IP: packettest.IP{Src: d.From.Addr(), Dst: dst}, SrcPort: d.From.Port(), DstPort: d.To.Port(), Payload: d.Payload,
	}.Build()...)
}

// parseDatagram reads an Ethernet frame with an unfragmented UDP packet. The payload is borrowed. Lengths are the frame's: the UDP
// header of a train says nothing.
func parseDatagram(frame []byte) (d Datagram, ok bool) {
	if len(frame) < etherLen {
		return d, false
	}
	ip := frame[etherLen:]
	var src, dst netip.Addr
	switch protocol := binary.BigEndian.Uint16(frame[12:]); {
	case protocol == unix.ETH_P_IP && len(ip) >= 20 && ip[9] == unix.IPPROTO_UDP && binary.BigEndian.Uint16(ip[6:])&0x3fff == 0:
		src, dst = netip.AddrFrom4([4]byte(ip[12:16])), netip.AddrFrom4([4]byte(ip[16:20]))
		ip = ip[min(len(ip), int(ip[0]&15)*4):]
	case protocol == unix.ETH_P_IPV6 && len(ip) >= 40 && ip[6] == unix.IPPROTO_UDP:
		src, dst = netip.AddrFrom16([16]byte(ip[8:24])), netip.AddrFrom16([16]byte(ip[24:40]))
		ip = ip[40:]
	default:
		return d, false
	}
	if len(ip) < 8 {
		return d, false
	}
	return Datagram{
		From: netip.AddrPortFrom(src, binary.BigEndian.Uint16(ip)), To: netip.AddrPortFrom(dst, binary.BigEndian.Uint16(ip[2:])),
		Payload: ip[8:],
	}, true
}
