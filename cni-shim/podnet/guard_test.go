package podnet

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/kernel"
)

const ownIP, ownIP6, ownLinkLocal = "10.244.1.10", "fd10:244:0:1::10", "fe80::858:aff:fef4:10a"

func TestAPodCannotPretendToBeAnother(t *testing.T) {
	s := newSite(t, 2)
	s.attach(2)
	fd, to := packetSocket(t, s.pods[0], "pod")
	mac, gateway := s.pod(0).MAC(), bridgeMAC
	router := icmp(router6, "")
	for _, c := range []struct {
		what   string
		reason string
		frame  []byte
	}{
		{"another pod's IPv4 address", DropIPv4, frame(gateway, mac, etherTypeIPv4, ipv4("10.244.1.11", "10.244.1.1", unix.IPPROTO_UDP, udp(1000, 53)))},
		{"an IPv4 address of nobody", DropIPv4, frame(gateway, mac, etherTypeIPv4, ipv4("192.0.2.1", "10.244.1.1", unix.IPPROTO_UDP, udp(1000, 53)))},
		{"no IPv4 address", DropIPv4, frame(broadcastMAC, mac, etherTypeIPv4, ipv4("0.0.0.0", "255.255.255.255", unix.IPPROTO_UDP, udp(68, 67)))},
		{"another pod's IPv6 address", DropIPv6, frame(gateway, mac, etherTypeIPv6, ipv6("fd10:244:0:1::11", "fd10:244:0:1::1", unix.IPPROTO_UDP, udp(1000, 53)))},
		{"no IPv6 address, and not for DAD", DropIPv6, frame(gateway, mac, etherTypeIPv6, ipv6("::", "fd10:244:0:1::1", unix.IPPROTO_UDP, udp(1000, 53)))},
		{"another MAC", DropMAC, frame(gateway, strangeMAC, etherTypeIPv4, ipv4(ownIP, "10.244.1.1", unix.IPPROTO_UDP, udp(1000, 53)))},
		{"past the gateway to another pod", DropPastGateway, frame(s.pod(1).MAC(), mac, etherTypeIPv4, ipv4(ownIP, "10.244.1.11", unix.IPPROTO_UDP, udp(1000, 53)))},
		{"past the gateway, IPv6", DropPastGateway, frame(s.pod(1).MAC(), mac, etherTypeIPv6, ipv6(ownIP6, "fd10:244:0:1::11", unix.IPPROTO_UDP, udp(1000, 53)))},
		{"past the gateway, ARP", DropPastGateway, frame(s.pod(1).MAC(), mac, etherTypeARP, arp(2, mac, ownIP, "10.244.1.11"))},
		{"to itself", DropPastGateway, frame(mac, mac, etherTypeIPv4, ipv4(ownIP, ownIP, unix.IPPROTO_UDP, udp(1000, 53)))},
		{"to a MAC of nobody", DropPastGateway, frame(strangeMAC, mac, etherTypeIPv4, ipv4(ownIP, "10.244.1.11", unix.IPPROTO_UDP, udp(1000, 53)))},
		{"the gateway's MAC", DropMAC, frame(gateway, gateway, etherTypeIPv4, ipv4(ownIP, "10.244.1.1", unix.IPPROTO_UDP, udp(1000, 53)))},
		{"another pod's MAC", DropMAC, frame(gateway, s.pod(1).MAC(), etherTypeIPv4, ipv4(ownIP, "10.244.1.1", unix.IPPROTO_UDP, udp(1000, 53)))},
		{"ARP answer for the gateway", DropARP, frame(broadcastMAC, mac, etherTypeARP, arp(2, mac, "10.244.1.1", "10.244.1.11"))},
		{"ARP question from another pod", DropARP, frame(broadcastMAC, mac, etherTypeARP, arp(1, mac, "10.244.1.11", "10.244.1.1"))},
		{"ARP with another MAC inside", DropARP, frame(broadcastMAC, mac, etherTypeARP, arp(2, strangeMAC, ownIP, "10.244.1.1"))},
		{"ARP of another shape", DropARP, frame(broadcastMAC, mac, etherTypeARP, append([]byte{0, 6}, arp(2, mac, ownIP, "10.244.1.1")[2:]...))},
		{"advertisement of the gateway", DropNeighbour, frame(multicast6, mac, etherTypeIPv6, ipv6(ownIP6, "ff02::1", unix.IPPROTO_ICMPV6, icmp(neighbour6, "fd10:244:0:1::1")))},
		{"advertisement of another pod", DropNeighbour, frame(multicast6, mac, etherTypeIPv6, ipv6(ownLinkLocal, "ff02::1", unix.IPPROTO_ICMPV6, icmp(neighbour6, "fd10:244:0:1::11")))},
		{"duplicate detection of the gateway's address", DropProbe, frame(multicast6, mac, etherTypeIPv6, ipv6("::", "ff02::1:ff00:1", unix.IPPROTO_ICMPV6, icmp(solicitation6, "fd10:244:0:1::1")))},
		{"router advertisement", DropRouter, frame(multicast6, mac, etherTypeIPv6, ipv6(ownLinkLocal, "ff02::1", unix.IPPROTO_ICMPV6, router))},
		{"router advertisement behind a header", DropRouter, frame(multicast6, mac, etherTypeIPv6, ipv6(ownLinkLocal, "ff02::1", unix.IPPROTO_HOPOPTS, behindHopByHop(unix.IPPROTO_ICMPV6, router)))},
		{"the host's loopback address", DropLoopback, frame(gateway, mac, etherTypeIPv4, ipv4(ownIP, "127.0.0.1", unix.IPPROTO_UDP, udp(1000, 53)))},
		{"a link-local address that is not of its MAC", DropIPv6, frame(multicast6, mac, etherTypeIPv6, ipv6("fe80::7", "ff02::1:ff00:1", unix.IPPROTO_ICMPV6, icmp(solicitation6, "fd10:244:0:1::1")))},
		{"advertisement of such a one", DropNeighbour, frame(multicast6, mac, etherTypeIPv6, ipv6(ownIP6, "ff02::1", unix.IPPROTO_ICMPV6, icmp(neighbour6, "fe80::7")))},
		{"IPv6 redirect", DropRedirect, frame(gateway, mac, etherTypeIPv6, ipv6(ownLinkLocal, "fd10:244:0:1::1", unix.IPPROTO_ICMPV6, icmp(redirect6, "")))},
		{"IPv4 redirect", DropRedirect, frame(gateway, mac, etherTypeIPv4, ipv4(ownIP, "10.244.1.1", unix.IPPROTO_ICMP, icmp(redirect4, "")))},
		{"answer of a DHCP server", DropDHCP, frame(broadcastMAC, mac, etherTypeIPv4, ipv4(ownIP, "255.255.255.255", unix.IPPROTO_UDP, udp(67, 68)))},
		{"answer of a DHCPv6 server", DropDHCP, frame(multicast6, mac, etherTypeIPv6, ipv6(ownLinkLocal, "ff02::1", unix.IPPROTO_UDP, udp(547, 546)))},
		{"a VLAN with another address inside", DropProtocol, frame(gateway, mac, "\x81\x00", append([]byte{0, 5, 8, 0}, ipv4("10.244.1.11", "10.244.1.1", unix.IPPROTO_UDP, udp(1, 2))...))},
		{"a priority tag with another address inside", DropProtocol, frame(gateway, mac, "\x81\x00", append([]byte{0, 0, 8, 0}, ipv4("10.244.1.11", "10.244.1.1", unix.IPPROTO_UDP, udp(1, 2))...))},
		{"a BPDU", DropProtocol, frame(gateway, mac, "\x00\x26", []byte{0x42, 0x42, 3})},
		{"router advertisement whose begin comes in a later fragment", DropUnreadable, frame(multicast6, mac, etherTypeIPv6, ipv6(ownLinkLocal, "ff02::1", unix.IPPROTO_FRAGMENT, inFragment(unix.IPPROTO_DSTOPTS, 0, behindHopByHop(unix.IPPROTO_ICMPV6, nil))))},
		{"answer of a DHCPv6 server whose port comes in a later fragment", DropUnreadable, frame(gateway, mac, etherTypeIPv6, ipv6(ownIP6, "fd10:244:0:1::11", unix.IPPROTO_FRAGMENT, inFragment(unix.IPPROTO_DSTOPTS, 0, behindHopByHop(unix.IPPROTO_UDP, nil))))},
		{"answer of a DHCP server behind options", DropDHCP, frame(gateway, mac, etherTypeIPv4, withOptions(ipv4(ownIP, "10.244.1.11", unix.IPPROTO_UDP, udp(67, 68))))},
		{"answer of a DHCPv6 server behind options", DropDHCP, frame(gateway, mac, etherTypeIPv6, ipv6(ownIP6, "fd10:244:0:1::11", unix.IPPROTO_DSTOPTS, behindHopByHop(unix.IPPROTO_UDP, udp(547, 546))))},
		{"router advertisement as a fragment that is whole", DropRouter, frame(multicast6, mac, etherTypeIPv6, ipv6(ownLinkLocal, "ff02::1", unix.IPPROTO_FRAGMENT, append([]byte{unix.IPPROTO_ICMPV6, 0, 0, 0, 0, 0, 0, 7}, router...)))},
		{"a service VLAN with another inside", DropProtocol, frame(gateway, mac, "\x88\xa8", append([]byte{0, 5, 0x81, 0, 0, 6, 8, 0}, ipv4("10.244.1.11", "10.244.1.1", unix.IPPROTO_UDP, udp(1, 2))...))},
		{"headers that end in the middle", DropUnreadable, frame(gateway, mac, etherTypeIPv6, ipv6(ownIP6, "fd10:244:0:1::1", unix.IPPROTO_HOPOPTS, []byte{unix.IPPROTO_DSTOPTS, 200, 1, 4, 0, 0, 0, 0}))},
	} {
		before := s.drops()
		if err := unix.Sendto(fd, c.frame, 0, to); err != nil {
			t.Fatal(err)
		}
		// Sending is over when the frame has gone through the bridge: veth hands it over in the same call, or right after it.
		if now := s.awaitDrop(c.reason, before[c.reason]+1); now != before[c.reason]+1 {
			t.Errorf("%s: %d packets under %q, want %d; all: %v", c.what, now, c.reason, before[c.reason]+1, s.drops())
		}
	}
}

func TestAPodMayDoWhatEveryHostDoes(t *testing.T) {
	s := newSite(t, 1)
	s.attach(1)
	seen, _ := packetSocket(t, s.vm, "weftbr0")
	fd, to := packetSocket(t, s.pods[0], "pod")
	mac := s.pod(0).MAC()
	report := append([]byte{143}, make([]byte, 27)...) // MLDv2 (RFC 3810, section 5.2)
	for what, f := range map[string][]byte{
		"mDNS":                         frame(multicast4, mac, etherTypeIPv4, ipv4(ownIP, "224.0.0.251", unix.IPPROTO_UDP, udp(5353, 5353))),
		"mDNS over IPv6":               frame(multicast6, mac, etherTypeIPv6, ipv6(ownIP6, "ff02::fb", unix.IPPROTO_UDP, udp(5353, 5353))),
		"mDNS from link-local":         frame(multicast6, mac, etherTypeIPv6, ipv6(ownLinkLocal, "ff02::fb", unix.IPPROTO_UDP, udp(5353, 5353))),
		"DAD":                          frame(multicast6, mac, etherTypeIPv6, ipv6("::", "ff02::1:ff00:10", unix.IPPROTO_ICMPV6, icmp(solicitation6, ownIP6))),
		"MLD report":                   frame(multicast6, mac, etherTypeIPv6, ipv6("::", "ff02::16", unix.IPPROTO_HOPOPTS, behindHopByHop(unix.IPPROTO_ICMPV6, report))),
		"advertisement of its own":     frame(multicast6, mac, etherTypeIPv6, ipv6(ownIP6, "ff02::1", unix.IPPROTO_ICMPV6, icmp(neighbour6, ownIP6))),
		"advertisement, link-local":    frame(multicast6, mac, etherTypeIPv6, ipv6(ownLinkLocal, "ff02::1", unix.IPPROTO_ICMPV6, icmp(neighbour6, ownLinkLocal))),
		"ARP question":                 frame(broadcastMAC, mac, etherTypeARP, arp(1, mac, ownIP, "10.244.1.1")),
		"ARP announcement":             frame(broadcastMAC, mac, etherTypeARP, arp(2, mac, ownIP, ownIP)),
		"ARP probe":                    frame(broadcastMAC, mac, etherTypeARP, arp(1, mac, "0.0.0.0", "10.244.1.10")),
		"a fragment":                   frame(bridgeMAC, mac, etherTypeIPv4, fragment(ipv4(ownIP, "10.244.1.1", unix.IPPROTO_UDP, udp(1, 2)))),
		"a fragment over IPv6":         frame(bridgeMAC, mac, etherTypeIPv6, ipv6(ownIP6, "fd10:244:0:1::1", unix.IPPROTO_FRAGMENT, inFragment(unix.IPPROTO_UDP, 8, udp(547, 546)))),
		"the first fragment over IPv6": frame(bridgeMAC, mac, etherTypeIPv6, ipv6(ownIP6, "fd10:244:0:1::1", unix.IPPROTO_FRAGMENT, inFragment(unix.IPPROTO_UDP, 0, udp(1, 2)))),
		"a DHCP client of itself":      frame(bridgeMAC, mac, etherTypeIPv4, ipv4(ownIP, "10.244.1.1", unix.IPPROTO_UDP, udp(68, 67))),
		"SCTP, and what else there is": frame(bridgeMAC, mac, etherTypeIPv4, ipv4(ownIP, "10.244.1.1", unix.IPPROTO_SCTP, udp(1, 2))),
	} {
		if err := unix.Sendto(fd, f, 0, to); err != nil {
			t.Fatal(err)
		}
		if !arrives(t, seen, f) {
			t.Errorf("%s did not pass: %v", what, s.drops())
		}
	}
}

// fragment makes a later fragment of an IPv4 packet.
func fragment(p []byte) []byte {
	p[7] = 100
	return summed(p)
}

// awaitDrop is the counter of a reason once it has come to want, or when patience ends.
func (s *site) awaitDrop(reason string, want uint64) (now uint64) {
	s.t.Helper()
	for range 200 {
		if now = s.drops()[reason]; now >= want {
			return now
		}
	}
	return now
}

func TestAPodThatTakesAnAddressThatIsNotItsOwnReachesNobody(t *testing.T) {
	s := newSite(t, 2, "ping")
	s.attach(1)
	s.run(s.pods[0], "ip addr add 10.244.1.99/32 dev pod; ip addr add fd10:244:0:1::99/128 dev pod nodad")
	for _, c := range [][2]string{{"10.244.1.99", "10.244.1.1"}, {"fd10:244:0:1::99", "fd10:244:0:1::1"}} {
		if s.pings(s.pods[0], c[1], "-I", c[0]) {
			t.Errorf("with source %s it reaches %s", c[0], c[1])
		}
	}
	if !s.pings(s.pods[0], "10.244.1.1") || !s.pings(s.pods[0], "fd10:244:0:1::1") {
		t.Error("with its own addresses it does not reach the gateway")
	}
}

func TestTheHostSendsPodsNoRedirects(t *testing.T) { bothWays(t, noRedirects) }

func noRedirects(t *testing.T, through bool) {
	s := newSite(t, 2, "ping")
	s.passIPTables(through)
	s.attach(2)
	s.run(s.vm, "sysctl -qw net.ipv4.conf.all.send_redirects=1")
	seen := s.run(s.pods[0], "cat /proc/net/snmp | grep ^Icmp:; grep Icmp6InRedirects /proc/net/snmp6")
	if !s.pings(s.pods[0], "10.244.1.11") || !s.pings(s.pods[0], "fd10:244:0:1::11") {
		t.Fatal("the pods do not reach each other")
	}
	redirects := func(text string) string {
		fields := strings.Fields(text)
		for i, f := range fields {
			if f == "InRedirects" { // its value is as far behind the second "Icmp:"
				for j := i; j < len(fields); j++ {
					if fields[j] == "Icmp:" {
						return fields[j+i] + fields[len(fields)-1]
					}
				}
			}
		}
		return "none"
	}
	now := s.run(s.pods[0], "cat /proc/net/snmp | grep ^Icmp:; grep Icmp6InRedirects /proc/net/snmp6")
	if redirects(now) != redirects(seen) {
		t.Errorf("there were\n%s\nand are\n%s", seen, now)
	}
	if s.drops()[DropOwnRedirect] == 0 {
		t.Error("the kernel sent none: the test shows nothing")
	}
}

func TestTheGuardIsPutRightWhateverIsMissing(t *testing.T) {
	s := newSite(t, 3)
	s.attach(2)
	g := NewGuard("weftbr0")
	if changed := s.setGuard(g, 2); changed.Any() {
		t.Errorf("what ADD made is not what Set makes: %v", changed)
	}
	want := s.guardText()
	port := s.pod(0).HostEnd
	for _, damage := range []string{
		"nft delete table bridge weft", "nft flush chain bridge weft ipv4", "nft flush set bridge weft macs",
		"nft 'add rule bridge weft prerouting accept'", "nft 'insert rule bridge weft prerouting accept'",
		"nft 'add chain bridge weft other'", "nft 'add set bridge weft more { type ifname; }'",
		"nft 'delete element bridge weft ports { " + port + " }'", "nft 'add element bridge weft ipv4 { " + port + " . 10.244.1.99 }'",
		"nft 'add table bridge weft { flags dormant; }'",
		"nft 'flush chain bridge weft output; delete chain bridge weft output; add chain bridge weft output { type filter hook output priority 7; }'",
	} {
		if s.damaged(g) {
			t.Errorf("before %q it is damaged", damage)
		}
		s.run(s.vm, damage)
		if added := strings.HasPrefix(damage, "nft 'add element"); s.damaged(g) == added {
			t.Errorf("after %q it is damaged: %t", damage, !added)
		}
		if !s.setGuard(g, 2).Any() {
			t.Errorf("after %q nothing was changed", damage)
		}
		if now := s.guardText(); now != want {
			t.Errorf("after %q the guard is\n%s\nnot\n%s", damage, now, want)
		}
		if changed := s.setGuard(g, 2); changed.Any() {
			t.Errorf("after %q a second Set changed %v", damage, changed)
		}
	}
	if changed := s.setGuard(g, 1); !changed.Any() || strings.Contains(s.guardText(), s.pod(1).HostEnd) {
		t.Errorf("a pod that is gone is still there: %v", changed)
	}
	if changed := s.setGuard(g, 3); !changed.Any() || !strings.Contains(s.guardText(), s.pod(2).HostEnd) {
		t.Errorf("a pod that is new is not there: %v", changed)
	}
}

func TestWhatADDAndDELDoIsNoDamage(t *testing.T) {
	s := newSite(t, 3)
	s.attach(2)
	g := NewGuard("weftbr0")
	s.setGuard(g, 2)
	s.do(func(*Host) error { return NewGuard("weftbr0").Add(s.pod(2).Member()) })
	for i := range 3 {
		s.do(func(*Host) error { return NewGuard("weftbr0").Remove(s.pod(i).Member()) })
		if s.damaged(g) {
			t.Errorf("after %d of 3 pods were removed it is damaged", i+1)
		}
	}
}

func TestWhatADDOrDELIsAtWorkOnIsTakenAsItIs(t *testing.T) {
	s := newSite(t, 3)
	s.attach(2)
	g := NewGuard("weftbr0")
	set := func() (changes kernel.Changes) {
		s.do(func(*Host) (err error) {
			changes, err = g.Set(func() ([]Member, error) {
				list, err := s.members(3)()
				list[1].Unsettled, list[2].Unsettled = true, true
				return list, err
			})
			return err
		})
		return changes
	}
	s.run(s.vm, "bridge link set dev "+s.pod(1).HostEnd+" learning on")
	if changed := set(); changed.Any() {
		t.Errorf("where the one is there, and the other is not: %v", changed)
	}
	s.run(s.vm, "nft delete table bridge weft")
	set()
	s.do(func(*Host) error {
		var err error
		for i := range 3 {
			err = errors.Join(err, g.Check(s.pod(i).Member()))
		}
		return err
	})
}

// ADD has to guard its pod although the daemon, which would put the table right, does not run.
func TestAddMendsATableThatIsDamaged(t *testing.T) {
	s := newSite(t, 2)
	s.attach(1)
	for _, damage := range []string{"nft delete table bridge weft", "nft 'delete table bridge weft; add table bridge weft'"} {
		s.run(s.vm, damage)
		s.do(func(*Host) error { return NewGuard("weftbr0").Add(s.pod(1).Member()) })
		s.do(func(*Host) error { return NewGuard("weftbr0").Check(s.pod(1).Member()) })
	}
}

func TestManyAddAndRemoveMembersAtOnce(t *testing.T) {
	s := newSite(t, 1)
	s.setBridge(wantedBridge())
	member := func(i int) Member {
		p := s.pod(0)
		p.HostEnd = HostEnd(fmt.Sprint(i), "eth0")
		return p.Member()
	}
	all := func(fn func(g *Guard, i int) error) {
		var wait sync.WaitGroup
		for i := range 20 {
			wait.Go(func() {
				g := NewGuard("weftbr0")
				defer g.Close()
				if err := s.vm.Do(func() error { return fn(g, i) }); err != nil {
					t.Error(err)
				}
			})
		}
		wait.Wait()
	}
	all(func(g *Guard, i int) error { return g.Add(member(i)) })
	all(func(g *Guard, i int) error { return g.Check(member(i)) })
	all(func(g *Guard, i int) error {
		m := member(i / 2) // each twice
		if i%3 == 0 {
			m.Addrs, m.MAC = nil, nil // as without a record
		}
		return g.Remove(m)
	})
	s.do(func(*Host) error {
		ports, err := NewGuard("weftbr0").Ports()
		if len(ports) != 10 {
			t.Errorf("left: %v", ports)
		}
		return err
	})
}

func TestTheGuardsOfTwoBridgesLeaveEachOtherAlone(t *testing.T) {
	s := newSite(t, 1)
	s.attach(1)
	other := NewGuard("other0")
	s.do(func(*Host) error { return other.Add(Member{HostEnd: "wv0", MAC: strangeMAC, Addrs: addrs("10.9.0.2")}) })
	if text := s.guardText(); !strings.Contains(text, "table bridge weft.other0 {") {
		t.Errorf("ruleset:\n%s", text)
	}
	s.do(func(*Host) error { return errors.Join(other.Clear(), other.Clear()) })
	s.do(func(*Host) error { return NewGuard("weftbr0").Check(s.pod(0).Member()) })
}

func TestThisKernelTakesTheGuard(t *testing.T) {
	s := newSite(t, 0)
	s.do(func(*Host) error { return NewGuard("weftbr0").Supported() })
	if text := s.guardText(); text != "" {
		t.Errorf("the probe left:\n%s", text)
	}
}
