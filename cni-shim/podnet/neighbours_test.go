package podnet

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestWhatBridgeAndHostKnowOfPodsComesBack(t *testing.T) {
	s := newSite(t, 2, "ping")
	s.attach(2)
	g := NewGuard("weftbr0")
	port := s.pod(0).HostEnd
	for _, damage := range []string{
		"ip link set weftbr0 down", "ip link set weftbr0 address 02:00:00:00:00:07", "ip neigh flush dev weftbr0 nud permanent",
		"ip -6 neigh del fd10:244:0:1::10 dev weftbr0", "bridge fdb del 0a:58:0a:f4:01:0a dev " + port + " master",
		"sysctl -qw net.ipv6.conf.weftbr0.disable_ipv6=1",
	} {
		s.run(s.vm, damage)
		s.setBridge(wantedBridge())
		if changed := s.setGuard(g, 2); !strings.Contains(changed.String(), "entries of pods") {
			t.Errorf("after %q: changed %v", damage, changed)
		}
		s.do(func(h *Host) error { return h.Check(wantedBridge(), s.pod(0)) })
		if changed := s.setGuard(g, 2); changed.Any() {
			t.Errorf("after %q a second Set changed %v", damage, changed)
		}
	}
	if !s.pings(s.vm, "10.244.1.10") || !s.pings(s.vm, "fd10:244:0:1::10") {
		t.Error("the host does not reach the pod")
	}
}

// All interfaces of a host share one table of neighbours, which is small. What a pod takes of it others lack.
func TestAPodTakesNoMoreOfTheHostsNeighboursThanItHasAddresses(t *testing.T) {
	s := newSite(t, 1)
	s.attach(1)
	fd, to := packetSocket(t, s.pods[0], "pod")
	mac := s.pod(0).MAC()
	const tries = 50
	for i := range byte(tries) {
		nobody := netip.AddrFrom16([16]byte{0xfd, 0x10, 2, 0x44, 0, 0, 0, 1, 0xbe, 0xef, 15: i}).String()
		linkLocal := netip.AddrFrom16([16]byte{0xfe, 0x80, 15: i + 1}).String()
		for _, f := range [][]byte{
			frame(bridgeMAC, mac, etherTypeIPv6, ipv6(ownIP6, nobody, unix.IPPROTO_UDP, udp(1, 2))),
			frame(groupOf1, mac, etherTypeIPv6, ipv6(linkLocal, "ff02::1:ff00:1", unix.IPPROTO_ICMPV6, question("fd10:244:0:1::1", linkLocal, mac))),
			frame(groupOf1, mac, etherTypeIPv6, ipv6(ownLinkLocal, "ff02::1:ff00:1", unix.IPPROTO_ICMPV6, question("fd10:244:0:1::1", ownLinkLocal, mac))),
			frame(broadcastMAC, mac, etherTypeARP, arp(1, mac, ownIP, "10.244.1.1")),
		} {
			if err := unix.Sendto(fd, f, 0, to); err != nil {
				t.Fatal(err)
			}
		}
	}
	if now := s.awaitDrop(DropIPv6, tries); now != tries {
		t.Errorf("%d questions from strange addresses were dropped, want %d", now, tries)
	}
	if known := s.run(s.vm, "ip -6 neigh show dev weftbr0 nud failed"); !strings.Contains(known, ":beef:") {
		t.Errorf("no packet to nobody came to the host:\n%s", known)
	}
	for _, line := range strings.Split(strings.TrimSpace(s.run(s.vm, "ip neigh show dev weftbr0; ip -6 neigh show dev weftbr0")), "\n") {
		own := strings.HasPrefix(line, ownIP+" ") || strings.HasPrefix(line, ownIP6+" ") || strings.HasPrefix(line, ownLinkLocal+" ")
		if !own && !strings.HasSuffix(strings.TrimSpace(line), "FAILED") {
			t.Errorf("the host has the neighbour %s", line)
		}
	}
}

// groupOf1 is the MAC of the group ff02::1:ff00:1, which fd10:244:0:1::1 belongs to.
var groupOf1 = net.HardwareAddr{0x33, 0x33, 0xff, 0, 0, 1}

// question is a neighbour solicitation with the MAC of who asks, from an address to the group of the target (RFC 4861, section 4.3).
func question(target, from string, mac net.HardwareAddr) []byte {
	p := append(icmp(solicitation6, target), append([]byte{1, 1}, mac...)...)
	group := netip.MustParseAddr("ff02::1:ff00:1").As16()
	source := netip.MustParseAddr(from).As16()
	sum := uint32(len(p)) + unix.IPPROTO_ICMPV6
	for _, part := range [][]byte{source[:], group[:], p} {
		for i := 0; i < len(part); i += 2 {
			sum += uint32(part[i])<<8 | uint32(part[i+1])
		}
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	p[2], p[3] = byte(^sum>>8), byte(^sum)
	return p
}
