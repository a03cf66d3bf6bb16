package podnet

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/lab"
)

// services are what kube-proxy makes: addresses that are translated to the second pod (1) and to the first one itself (2), which must not
// see its own address as a source.
const services = `
table ip services {
	chain prerouting { type nat hook prerouting priority -100; ip daddr 10.96.0.1 dnat to 10.244.1.11; ip daddr 10.96.0.2 dnat to 10.244.1.10; }
	chain postrouting { type nat hook postrouting priority 100; ip saddr 10.244.1.10 ip daddr 10.244.1.10 masquerade; }
}
table ip6 services {
	chain prerouting { type nat hook prerouting priority -100; ip6 daddr fd10:96::1 dnat to fd10:244:0:1::11; ip6 daddr fd10:96::2 dnat to fd10:244:0:1::10; }
	chain postrouting { type nat hook postrouting priority 100; ip6 saddr fd10:244:0:1::10 ip6 daddr fd10:244:0:1::10 masquerade; }
}`

// serve makes the services, and lets packets of bridges pass iptables or not.
func (s *site) serve(through bool) {
	s.t.Helper()
	s.passIPTables(through)
	s.run(s.vm, "nft -f - <<'EOF'"+services+"\nEOF")
}

// passIPTables sets the switches of br_netfilter, which are those of the namespace.
func (s *site) passIPTables(through bool) {
	s.t.Helper()
	const where = "/proc/sys/net/bridge/bridge-nf-call-"
	if _, err := os.Stat(where + "iptables"); err != nil {
		if through {
			s.t.Skip("br_netfilter is not loaded")
		}
		return
	}
	value := map[bool]string{false: "0", true: "1"}[through]
	s.run(s.vm, "echo "+value+" >"+where+"iptables; echo "+value+" >"+where+"ip6tables")
}

// bothWays runs a test with packets of bridges that pass iptables, and with such that do not.
func bothWays(t *testing.T, test func(t *testing.T, through bool)) {
	for _, through := range []bool{false, true} {
		t.Run(fmt.Sprintf("bridge-nf-call-iptables=%t", through), func(t *testing.T) { test(t, through) })
	}
}

// paths are the ways of the first pod to pods of its node: to the second one, through a service, and through a service to itself.
var paths = []struct{ to, pod string }{
	{"10.244.1.11", "10.244.1.11"}, {"10.96.0.1", "10.244.1.11"}, {"10.96.0.2", "10.244.1.10"},
	{"fd10:244:0:1::11", "fd10:244:0:1::11"}, {"fd10:96::1", "fd10:244:0:1::11"}, {"fd10:96::2", "fd10:244:0:1::10"},
}

func TestServicesOfTheSameNodeAnswerAndEachPacketPassesTheForwardHookOnce(t *testing.T) {
	bothWays(t, func(t *testing.T, through bool) {
		s := newSite(t, 2, "ping")
		s.attach(2)
		s.serve(through)
		for _, p := range paths {
			s.seeForward(p.pod, "")
			if !s.pings(s.pods[0], p.to) {
				t.Errorf("%s does not answer", p.to)
			}
			if seen := s.forwarded(); seen != 1 {
				t.Errorf("the echo to %s passed the forward hook %d times, want once", p.to, seen)
			}
			s.seeForward(p.pod, "drop")
			if s.pings(s.pods[0], p.to, "-W0.2") {
				t.Errorf("%s answers against the policy", p.to)
			}
			if seen := s.forwarded(); seen != 1 {
				t.Errorf("the policy saw %d packets to %s, want one", seen, p.to)
			}
		}
	})
}

// seeForward counts echo requests of the first pod to a pod's address at the forward hook, as a network policy sees them.
func (s *site) seeForward(pod, verdict string) {
	s.t.Helper()
	from, kind := "ip saddr 10.244.1.10 ip daddr ", "icmp"
	if strings.Contains(pod, ":") {
		from, kind = "ip6 saddr fd10:244:0:1::10 ip6 daddr ", "icmpv6"
	}
	s.run(s.vm, fmt.Sprintf(`nft 'table inet seen {}; delete table inet seen; table inet seen { chain forward {
		type filter hook forward priority 0; iifname weftbr0 oifname weftbr0 %s%s %s type echo-request counter %s; }; }'`, from, pod, kind, verdict))
}

// forwarded is what seeForward has counted.
func (s *site) forwarded() int {
	s.t.Helper()
	_, text, _ := strings.Cut(s.run(s.vm, "nft list table inet seen"), "counter packets ")
	n, err := strconv.Atoi(strings.SplitN(text, " ", 2)[0])
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// What one pod sends to everybody comes to the host, and neither to others nor back.
func TestBroadcastsOfAPodComeToTheHostAlone(t *testing.T) {
	bothWays(t, func(t *testing.T, through bool) {
		s := newSite(t, 2)
		s.attach(2)
		s.passIPTables(through)
		host, toPods := packetSocket(t, s.vm, "weftbr0")
		one, toAll := packetSocket(t, s.pods[0], "pod")
		two, _ := packetSocket(t, s.pods[1], "pod")
		mac := s.pod(0).MAC()
		end := frame(broadcastMAC, bridgeMAC, etherTypeIPv4, ipv4("10.244.1.1", "255.255.255.255", unix.IPPROTO_UDP, udp(7, 7)))
		sent := [][]byte{
			frame(broadcastMAC, mac, etherTypeARP, arp(1, mac, ownIP, "10.244.1.11")),
			frame(multicast4, mac, etherTypeIPv4, ipv4(ownIP, "224.0.0.251", unix.IPPROTO_UDP, udp(5353, 5353))),
			frame(multicast6, mac, etherTypeIPv6, ipv6(ownIP6, "ff02::fb", unix.IPPROTO_UDP, udp(5353, 5353))),
		}
		for _, f := range sent {
			if err := unix.Sendto(one, f, 0, toAll); err != nil {
				t.Fatal(err)
			}
			if !arrives(t, host, f) { // the bridge has handed it to all other ports before
				t.Fatalf("%x does not come to the host", f)
			}
		}
		if err := unix.Sendto(host, end, 0, toPods); err != nil {
			t.Fatal(err)
		}
		for pod, fd := range map[string]int{"itself": one, "another pod": two} {
			for _, f := range incoming(t, fd, end) {
				for _, g := range sent {
					if string(f) == string(g) {
						t.Errorf("%x came to %s", f, pod)
					}
				}
			}
		}
	})
}

// incoming are the frames that come to a socket before a certain one.
func incoming(t *testing.T, fd int, end []byte) (list [][]byte) {
	t.Helper()
	wait := unix.NsecToTimeval(patience.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait); err != nil {
		t.Fatal(err)
	}
	for {
		buffer := make([]byte, 2048)
		n, from, err := unix.Recvfrom(fd, buffer, 0)
		if err != nil {
			t.Fatalf("wait for the last frame: %v", err)
		}
		if from.(*unix.SockaddrLinklayer).Pkttype == unix.PACKET_OUTGOING {
			continue
		}
		if string(buffer[:n]) == string(end) {
			return list
		}
		list = append(list, buffer[:n])
	}
}

func TestPortsAreBroughtToWhatTheGuardKnows(t *testing.T) {
	s := newSite(t, 3, "ping")
	s.attach(2)
	s.serve(true)
	g, port := NewGuard("weftbr0"), s.pod(0).HostEnd
	if changed := s.setGuard(g, 2); changed.Any() {
		t.Errorf("what ADD made is not what Set makes: %v", changed)
	}
	want := s.portText(0)
	for _, damage := range []string{
		"bridge link set dev " + port + " isolated on hairpin off mcast_flood on bcast_flood on", // as the first build made them
		"bridge link set dev " + port + " mcast_flood on", "bridge link set dev " + port + " learning on", "bridge link set dev " + port + " state 0", "replug",
	} {
		if damage == "replug" {
			s.do(func(h *Host) error { return h.Replug(Pod{HostEnd: port, Bridge: "weftbr0", Addrs: s.pod(0).Addrs}) })
		} else {
			s.run(s.vm, damage)
		}
		if !s.setGuard(g, 2).Any() || s.portText(0) != want {
			t.Errorf("after %q the port is\n%s\nnot\n%s", damage, s.portText(0), want)
		}
		if changed := s.setGuard(g, 2); changed.Any() {
			t.Errorf("after %q a second Set changed %v", damage, changed)
		}
	}
	if !s.pings(s.pods[0], "10.96.0.1") || !s.pings(s.pods[0], "fd10:96::2") {
		t.Error("services do not answer")
	}
	s.run(s.vm, "bridge link set dev "+port+" hairpin off")
	if changed := s.setGuard(g, 2); changed.Any() {
		t.Errorf("a port without hairpin, which a configuration may want, was changed: %v", changed)
	}
}

// portText is how bridge(8) shows the port of a pod.
func (s *site) portText(i int) string {
	s.t.Helper()
	return s.run(s.vm, "bridge -d link show dev "+s.pod(i).HostEnd)
}

func TestPortsThatNobodyGuardsAreIsolated(t *testing.T) {
	s := newSite(t, 2, "ping")
	s.attach(2)
	s.setGuard(NewGuard("weftbr0"), 1)
	if text := s.portText(1); !strings.Contains(text, "isolated on") {
		t.Errorf("a port that is no member's: %s", text)
	}
	s.do(func(*Host) error { // as Set does where the kernel has no guard
		ports, err := hostPorts("weftbr0")
		if err != nil {
			return err
		}
		_, err = keepPorts(ports, nil)
		return errors.Join(err, NewGuard("weftbr0").Clear())
	})
	if text := s.portText(0); !strings.Contains(text, "isolated on") {
		t.Errorf("without a guard: %s", text)
	}
	s.passIPTables(false)
	if !s.pings(s.pods[0], "10.244.1.11") || !s.pings(s.pods[0], "fd10:244:0:1::11") {
		t.Error("without a guard pods do not reach each other through the gateway")
	}
	s.do(func(*Host) error {
		faults, err := NewGuard("weftbr0").checkPort(s.pod(0).HostEnd, false)
		if len(faults) > 0 {
			t.Errorf("an isolated port without a guard is broken: %v", faults)
		}
		return err
	})
}

// Pods of one node exchange superpackets: neither the bridge nor the guard nor forwarding nor iptables in the bridge cuts them.
func TestSuperpacketsStayWholeFromPodToPod(t *testing.T) {
	bothWays(t, func(t *testing.T, through bool) {
		s := newSite(t, 2)
		s.attach(2)
		s.serve(through)
		const size = 8 << 20
		bytes, packets := s.sentTo(1)
		for _, to := range []string{"10.244.1.11", "10.96.0.1"} {
			s.transfer(s.pods[0], s.pods[1], "10.244.1.11", to, size)
			now, nowPackets := s.sentTo(1)
			if b, p := now-bytes, nowPackets-packets; b < size || b/p < 4*1440 {
				t.Errorf("to %s: %d bytes in %d packets of an MTU of 1440", to, b, p)
			}
			bytes, packets = now, nowPackets
		}
	})
}

// sentTo is what the host has sent to a pod.
func (s *site) sentTo(i int) (bytes, packets int) {
	s.t.Helper()
	text := strings.Fields(s.run(s.vm, "ip -s link show "+s.pod(i).HostEnd+" | tail -1"))
	bytes, err1 := strconv.Atoi(text[0])
	packets, err2 := strconv.Atoi(text[1])
	if err := errors.Join(err1, err2); err != nil {
		s.t.Fatal(err)
	}
	return bytes, packets
}

// transfer sends so many bytes over TCP to whoever listens at addr, by the name of to.
func (s *site) transfer(from, listening *lab.Host, addr, to string, size int) {
	s.t.Helper()
	var listener net.Listener
	var conn net.Conn
	if err := listening.Do(func() (err error) {
		listener, err = new(net.ListenConfig).Listen(s.t.Context(), "tcp", net.JoinHostPort(addr, "0"))
		return err
	}); err != nil {
		s.t.Fatal(err)
	}
	defer listener.Close()
	if err := from.Do(func() (err error) {
		conn, err = net.DialTimeout("tcp", net.JoinHostPort(to, strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)), patience)
		return err
	}); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		_, _ = conn.Write(make([]byte, size))
		conn.Close()
	}()
	in, err := listener.Accept()
	if err != nil {
		s.t.Fatal(err)
	}
	defer in.Close()
	if n, err := io.Copy(io.Discard, in); err != nil || n != int64(size) {
		s.t.Fatalf("%d bytes arrived, %v", n, err)
	}
}
