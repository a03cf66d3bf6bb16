package podnet

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/lab"
)

// Frames as a pod may make them by hand; the checksums of what IP carries are left out, because the guard judges before anybody looks at
// them.

var (
	broadcastMAC = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	strangeMAC   = net.HardwareAddr{0x02, 0, 0, 0, 0, 0x99}
	multicast4   = net.HardwareAddr{0x01, 0, 0x5e, 0, 0, 0xfb}
	multicast6   = net.HardwareAddr{0x33, 0x33, 0, 0, 0, 0x01}
)

func frame(to, from net.HardwareAddr, kind string, payload []byte) []byte {
	return slices.Concat(to, from, []byte(kind), payload)
}

func ipv4(from, to string, protocol byte, payload []byte) []byte {
	h := make([]byte, 20, 20+len(payload))
	h[0], h[8], h[9] = 0x45, 64, protocol
	binary.BigEndian.PutUint16(h[2:], uint16(20+len(payload)))
	copy(h[12:], netip.MustParseAddr(from).AsSlice())
	copy(h[16:], netip.MustParseAddr(to).AsSlice())
	return append(summed(h), payload...)
}

// summed puts the checksum into an IPv4 header (RFC 1071): a bridge whose packets pass iptables drops what has none. It also
// cuts off padding, so frames have none.
func summed(p []byte) []byte {
	p[10], p[11] = 0, 0
	var sum uint32
	for i := 0; i < int(p[0]&15)*4; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(p[i:]))
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	binary.BigEndian.PutUint16(p[10:], ^uint16(sum))
	return p
}

func ipv6(from, to string, next byte, payload []byte) []byte {
	h := make([]byte, 40, 40+len(payload))
	h[0], h[6], h[7] = 0x60, next, 255
	binary.BigEndian.PutUint16(h[4:], uint16(len(payload)))
	copy(h[8:], netip.MustParseAddr(from).AsSlice())
	copy(h[24:], netip.MustParseAddr(to).AsSlice())
	return append(h, payload...)
}

func udp(source, destination uint16) []byte {
	p := binary.BigEndian.AppendUint16(nil, source)
	p = binary.BigEndian.AppendUint16(p, destination)
	return append(p, 0, 12, 0, 0, 'w', 'e', 'f', 't')
}

// icmp is an ICMP or ICMPv6 message with an address at the place of a neighbour message's target.
func icmp(kind byte, target string) []byte {
	p := make([]byte, 24)
	p[0] = kind
	if target != "" {
		copy(p[8:], netip.MustParseAddr(target).AsSlice())
	}
	return p
}

func arp(operation byte, mac net.HardwareAddr, sender, target string) []byte {
	p := slices.Concat([]byte(allocatedARP), []byte{0, operation}, mac, netip.MustParseAddr(sender).AsSlice(), make([]byte, 6), netip.MustParseAddr(target).AsSlice())
	return p
}

// behindHopByHop puts an extension header with padding in front of a payload (RFC 8200, section 4.3).
func behindHopByHop(next byte, payload []byte) []byte {
	return append([]byte{next, 0, 1, 4, 0, 0, 0, 0}, payload...)
}

// inFragment puts the header of a fragment in front of a payload, with an offset in bytes; more fragments follow (RFC 8200, section 4.5).
func inFragment(next byte, offset uint16, payload []byte) []byte {
	h := binary.BigEndian.AppendUint16([]byte{next, 0}, offset|1)
	return append(append(h, 0, 0, 0, 7), payload...)
}

// withOptions puts options that say nothing into an IPv4 packet (RFC 791, section 3.1).
func withOptions(p []byte) []byte {
	p = slices.Insert(p, 20, 1, 1, 1, 0)
	p[0] = 0x46
	binary.BigEndian.PutUint16(p[2:], uint16(len(p)))
	return summed(p)
}

// packetSocket opens one on an interface of a namespace.
func packetSocket(t *testing.T, in *lab.Host, device string) (fd int, to *unix.SockaddrLinklayer) {
	t.Helper()
	everything := int(binary.NativeEndian.Uint16([]byte{0, unix.ETH_P_ALL}))
	if err := in.Do(func() (err error) {
		i, err := net.InterfaceByName(device)
		if err != nil {
			return err
		}
		to = &unix.SockaddrLinklayer{Ifindex: i.Index, Protocol: uint16(everything)}
		if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, everything); err != nil {
			return err
		}
		return unix.Bind(fd, to)
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd, to
}

// arrives reports whether a frame comes to a socket before patience ends; frames of others are passed over.
func arrives(t *testing.T, fd int, want []byte) bool {
	t.Helper()
	wait := unix.NsecToTimeval(patience.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 2048)
	for {
		n, _, err := unix.Recvfrom(fd, buffer, 0)
		if err != nil {
			return false
		}
		if slices.Equal(buffer[:n], want) {
			return true
		}
	}
}

// drops is how many packets the guard has dropped so far, by the constants that begin with Drop.
func (s *site) drops() map[string]uint64 {
	s.t.Helper()
	drops := map[string]uint64{}
	s.do(func(*Host) error {
		nft, err := nftables.New()
		if err != nil {
			return err
		}
		table := NewGuard("weftbr0").table
		for _, c := range guardChains(table) {
			rules, err := nft.GetRules(table, c)
			if err != nil {
				return err
			}
			for _, r := range rules {
				count(r, drops)
			}
		}
		return nil
	})
	return drops
}

func count(r *nftables.Rule, drops map[string]uint64) {
	comment, _ := userdata.GetString(r.UserData, userdata.TypeComment)
	for _, e := range r.Exprs {
		if c, ok := e.(*expr.Counter); ok {
			drops[comment] += c.Packets
		}
	}
}
