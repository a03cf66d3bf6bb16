package lab

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"
)

// udpSocket is a socket on a host of a lab.
type udpSocket struct {
	t    *testing.T
	conn *net.UDPConn
}

func openUDP(t *testing.T, h *Host, port uint16) *udpSocket {
	t.Helper()
	s := &udpSocket{t: t}
	err := h.Do(func() (err error) {
		s.conn, err = net.ListenUDP("udp4", &net.UDPAddr{Port: int(port)})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.conn.Close() })
	return s
}

func (s *udpSocket) send(to netip.AddrPort) {
	s.t.Helper()
	if _, err := s.conn.WriteToUDPAddrPort([]byte("hello"), to); err != nil && !strings.Contains(err.Error(), "refused") {
		s.t.Fatal(err)
	}
}

// hears is where the next datagram came from; invalid: none came in time.
func (s *udpSocket) hears(within time.Duration) netip.AddrPort {
	s.t.Helper()
	if err := s.conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		s.t.Fatal(err)
	}
	_, from, err := s.conn.ReadFromUDPAddrPort(make([]byte, 100))
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
}

// seenAs sends a datagram to a socket on the underlay, and says what that sees as its source.
func (s *udpSocket) seenAs(by *udpSocket, at netip.AddrPort) netip.AddrPort {
	s.t.Helper()
	s.send(at)
	from := by.hears(natAnswers)
	if !from.IsValid() {
		s.t.Fatalf("nothing arrived at %v", at)
	}
	return from
}

const (
	natPort    = 9338
	natAnswers = 5 * time.Second        // where something should come
	natQuiet   = 200 * time.Millisecond // where nothing should; long for one machine
)

func at(h *Host, port uint16) netip.AddrPort { return netip.AddrPortFrom(h.Addr4(), port) }

func testNAT(t *testing.T, l *Lab, name string, o NATOptions) *NAT {
	t.Helper()
	n, err := l.NAT(name, o)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func behind(t *testing.T, n *NAT, name string) *Host {
	t.Helper()
	h, err := n.Behind(name)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestKindsOfNATMapAndFilterAsNamed(t *testing.T) {
	for name, c := range map[string]struct {
		kind NATKind
		same bool // port for all destinations, which is the socket's
		open bool // to what was not asked for
	}{
		"endpoint-independent": {NATEndpointIndependent, true, false},
		"symmetric":            {NATSymmetric, false, false},
		"one to one":           {NATOneToOne, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			l := testLab(t, Options{})
			outside := testHosts(t, l, "b", "c")
			nat := testNAT(t, l, "nat", NATOptions{Kind: c.kind})
			a := openUDP(t, behind(t, nat, "a"), natPort)
			b, other := openUDP(t, outside[0], natPort), openUDP(t, outside[1], natPort)
			public := at(nat.Host, natPort)
			seen, seenByOther := a.seenAs(b, at(outside[0], natPort)), a.seenAs(other, at(outside[1], natPort))
			if same := seen == public && seenByOther == public; same != c.same || seen.Addr() != public.Addr() {
				t.Errorf("b sees %v, c sees %v, the socket's port is %d; the same: want %v", seen, seenByOther, natPort, c.same)
			}
			b.send(seen)
			if from := a.hears(natAnswers); from != at(outside[0], natPort) {
				t.Errorf("the answer came from %v", from)
			}
			stranger := openUDP(t, outside[0], natPort+1)
			stranger.send(seen)
			if from := a.hears(natQuiet); from.IsValid() != c.open {
				t.Errorf("a stranger's datagram came from %v; want one: %v", from, c.open)
			}
		})
	}
}

func TestARebindChangesThePortForAllDestinationsAndEndsTheOldMapping(t *testing.T) {
	l := testLab(t, Options{})
	outside := testHosts(t, l, "b", "c")
	nat := testNAT(t, l, "nat", NATOptions{})
	a := openUDP(t, behind(t, nat, "a"), natPort)
	b, c := openUDP(t, outside[0], natPort), openUDP(t, outside[1], natPort)
	seen := []netip.AddrPort{a.seenAs(b, at(outside[0], natPort))}
	for range 2 {
		if err := nat.Rebind(); err != nil {
			t.Fatal(err)
		}
		b.send(seen[len(seen)-1])
		if from := a.hears(natQuiet); from.IsValid() {
			t.Errorf("the old mapping still lets in what comes from %v", from)
		}
		now, byC := a.seenAs(b, at(outside[0], natPort)), a.seenAs(c, at(outside[1], natPort))
		if now != byC || now == seen[len(seen)-1] || now.Port() < firstReboundPort || now.Port() >= firstReboundPort+reboundPorts {
			t.Errorf("b sees %v, c sees %v, it was %v", now, byC, seen)
		}
		b.send(now)
		if !a.hears(natAnswers).IsValid() {
			t.Error("no answer through the new mapping")
		}
		seen = append(seen, now)
	}
}

func TestANATWithAnotherAddressGoesOn(t *testing.T) {
	l := testLab(t, Options{})
	outside := testHosts(t, l, "b")
	nat := testNAT(t, l, "nat", NATOptions{})
	a, b := openUDP(t, behind(t, nat, "a"), natPort), openUDP(t, outside[0], natPort)
	old := a.seenAs(b, at(outside[0], natPort))
	if err := nat.ChangeAddress(); err != nil {
		t.Fatal(err)
	}
	now := a.seenAs(b, at(outside[0], natPort))
	if now != at(nat.Host, natPort) || now == old {
		t.Errorf("b sees %v, saw %v; the NAT is at %v", now, old, nat.Addr4())
	}
}

// TestHolesArePunchedThroughEndpointIndependentNATsOnly has two hosts call each other at where a third sees them.
func TestHolesArePunchedThroughEndpointIndependentNATsOnly(t *testing.T) {
	for _, kind := range []NATKind{NATEndpointIndependent, NATSymmetric} {
		t.Run(fmt.Sprint(kind), func(t *testing.T) {
			l := testLab(t, Options{})
			third := testHosts(t, l, "c")[0]
			c := openUDP(t, third, natPort)
			left, right := testNAT(t, l, "left", NATOptions{Kind: kind}), testNAT(t, l, "right", NATOptions{Kind: kind})
			a, b := openUDP(t, behind(t, left, "a"), natPort), openUDP(t, behind(t, right, "b"), natPort)
			atA, atB := a.seenAs(c, at(third, natPort)), b.seenAs(c, at(third, natPort))
			a.send(atB) // is dropped by right, and opens left
			if from := b.hears(natQuiet); from.IsValid() {
				t.Errorf("b heard %v unasked", from)
			}
			b.send(atA)
			if from := a.hears(natQuiet); (from == atB) != (kind == NATEndpointIndependent) {
				t.Errorf("a heard %v, b is seen as %v", from, atB)
			}
		})
	}
}

func TestHostsBehindAOneToOneNATHaveAPublicAddressEachAndMeetThereWithHairpinAlone(t *testing.T) {
	for _, hairpin := range []bool{false, true} {
		t.Run(fmt.Sprintf("hairpin=%v", hairpin), func(t *testing.T) {
			l := testLab(t, Options{})
			outside := testHosts(t, l, "c")[0]
			c := openUDP(t, outside, natPort)
			cloud := testNAT(t, l, "cloud", NATOptions{Kind: NATOneToOne, Hairpin: hairpin})
			hostA, hostB := behind(t, cloud, "a"), behind(t, cloud, "b")
			a, b := openUDP(t, hostA, natPort), openUDP(t, hostB, natPort)
			publicA, publicB := netip.AddrPortFrom(cloud.Public(hostA), natPort), netip.AddrPortFrom(cloud.Public(hostB), natPort)
			if seenA, seenB := a.seenAs(c, at(outside, natPort)), b.seenAs(c, at(outside, natPort)); seenA != publicA || seenB != publicB {
				t.Errorf("seen as %v and %v, public are %v and %v", seenA, seenB, publicA, publicB)
			}
			c.send(publicB)
			if from := b.hears(natAnswers); from != at(outside, natPort) {
				t.Errorf("b heard %v", from)
			}
			a.send(publicB)
			if from := b.hears(natQuiet); (from == publicA) != hairpin {
				t.Errorf("b heard %v by hairpin, want %v: %v", from, publicA, hairpin)
			}
			a.send(at(hostB, natPort))
			if from := b.hears(natAnswers); from != at(hostA, natPort) {
				t.Errorf("b heard %v from its own network", from)
			}
		})
	}
}

func TestHostsBehindANATCallOutAndAreIsolatedLikeOthers(t *testing.T) {
	l := testLab(t, Options{})
	b := testHosts(t, l, "b")[0]
	nat := testNAT(t, l, "nat", NATOptions{UDPTimeout: 20 * time.Second})
	a := behind(t, nat, "a")
	if !pings(t, a.Namespace, b.Addr4()) {
		t.Fatal("no way out")
	}
	if !silent(t, b.Namespace, netip.MustParseAddr("192.168.1.10")) {
		t.Error("the private address is reached from outside")
	}
	if err := a.Isolate(); err != nil {
		t.Fatal(err)
	}
	if !silent(t, a.Namespace, b.Addr4()) {
		t.Error("an isolated host has a way out")
	}
	if err := a.Rejoin(); err != nil {
		t.Fatal(err)
	}
	awaitPing(t, a.Namespace, b.Addr4())
	for _, file := range []string{"nf_conntrack_udp_timeout", "nf_conntrack_udp_timeout_stream"} {
		var text []byte
		err := nat.Do(func() (err error) { text, err = os.ReadFile("/proc/sys/net/netfilter/" + file); return err })
		if got := strings.TrimSpace(string(text)); got != "20" || err != nil {
			t.Errorf("%s = %s, %v", file, got, err)
		}
	}
	for what, err := range map[string]error{"ChangeAddress": a.ChangeAddress(), "Cut": l.Cut(a, b)} {
		if err == nil {
			t.Errorf("%s of a host behind a NAT was taken", what)
		}
	}
}

func TestNATsThatDoNotExistAreRefused(t *testing.T) {
	l := testLab(t, Options{})
	for _, o := range []NATOptions{{Kind: NATOneToOne + 1}, {Hairpin: true}, {UDPTimeout: time.Millisecond}, {UDPTimeout: -time.Second}} {
		if _, err := l.NAT("nat", o); err == nil {
			t.Errorf("%+v was made", o)
		}
	}
}
