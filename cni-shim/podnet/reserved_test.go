package podnet

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Frames to the MACs that IEEE 802.1Q reserves for bridges go from a port into the host's network stack past bridge and guard
// (br_handle_frame in net/bridge/br_input.c), LLDP's even past the hooks.
func TestAPodReachesNothingByTheMACsThatAreReservedForBridges(t *testing.T) {
	s := newSite(t, 2)
	s.run(s.vm, "sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0") // as the kernel has it
	s.attach(2)
	server := s.listen()
	fd, to := packetSocket(t, s.pods[0], "pod")
	mac, port := s.pod(0).MAC(), uint16(server.LocalAddr().(*net.UDPAddr).Port)
	send := func(f []byte) {
		if err := unix.Sendto(fd, f, 0, to); err != nil {
			t.Fatal(err)
		}
	}
	for last := range byte(16) {
		group := net.HardwareAddr{0x01, 0x80, 0xc2, 0, 0, last}
		for _, target := range []string{"10.244.1.1", "10.244.1.255", "255.255.255.255", "224.0.0.1"} {
			send(frame(group, mac, etherTypeIPv4, ipv4("10.244.1.11", target, unix.IPPROTO_UDP, udp(1000, port))))
		}
		send(frame(group, mac, etherTypeIPv6, ipv6("fd10:244:0:1::11", "fd10:244:0:1::1", unix.IPPROTO_UDP, udp(1000, port))))
		send(frame(group, mac, etherTypeARP, arp(1, mac, "10.244.1.77", "10.244.1.1")))
	}
	send(frame(bridgeMAC, mac, etherTypeIPv4, ipv4(ownIP, "10.244.1.1", unix.IPPROTO_UDP, udp(1000, port))))
	if err := server.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	_, from, err := server.ReadFromUDPAddrPort(make([]byte, 64))
	if err != nil || from != netip.MustParseAddrPort("10.244.1.10:1000") {
		t.Errorf("the host's server got a packet from %v, %v", from, err)
	}
	if known := s.run(s.vm, "ip neigh"); strings.Contains(known, "10.244.1.77") {
		t.Errorf("the host has learned:\n%s", known)
	}
}

// listen is a server on all addresses of the node.
func (s *site) listen() (server *net.UDPConn) {
	s.t.Helper()
	if err := s.vm.Do(func() (err error) {
		server, err = net.ListenUDP("udp4", nil)
		return err
	}); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { server.Close() })
	return server
}
