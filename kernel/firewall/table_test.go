package firewall

import (
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/weftnet/weft/kernel"
)

// families runs a test over both: 0 is IPv4, 1 is IPv6 in all lists of addresses.
func families(t *testing.T, test func(t *testing.T, i int)) {
	t.Helper()
	for i, name := range []string{"IPv4", "IPv6"} {
		t.Run(name, func(t *testing.T) { test(t, i) })
	}
}

func TestOutsideSeesTheNodeAndTheOverlaySeesThePod(t *testing.T) {
	s := newSite(t)
	families(t, func(t *testing.T, i int) {
		if got := s.sees(s.outside, s.pod, s.outside.Addrs()[i]); got != podAddrs[i] {
			t.Fatalf("without rules outside sees %v, want the pod: the test is blind", got)
		}
	})
	s.set(wanted())
	families(t, func(t *testing.T, i int) {
		for _, c := range []struct {
			what     string
			to, from runner
			addr     netip.Addr
			want     netip.Addr
		}{
			{"a pod's packet outside", s.outside, s.pod, s.outside.Addrs()[i], s.vm.Addrs()[i]},
			{"a pod's packet in the overlay", s.peer, s.pod, peerAddrs[i], podAddrs[i]},
			{"the overlay's packet in a pod", s.pod, s.peer, podAddrs[i], peerAddrs[i]},
			{"the node's own packet in a pod", s.pod, s.vm, podAddrs[i], ownAddrs[i]},
			{"a packet from outside in the overlay", s.peer, s.outside, peerAddrs[i], ownAddrs[i]},
			{"a packet from outside in a pod", s.pod, s.outside, podAddrs[i], s.outside.Addrs()[i]},
			{"the node's packet to itself", s.vm, s.vm, s.vm.Addrs()[i], s.vm.Addrs()[i]},
		} {
			if got := s.sees(c.to, c.from, c.addr); got != c.want {
				t.Errorf("%s has the source %v, want %v", c.what, got, c.want)
			}
		}
	})
}

func TestANetworkBehindTheNodeAndTheOverlaySeeEachOtherAsTheyAre(t *testing.T) {
	s := newSite(t)
	want := wanted()
	for i, a := range s.outside.Addrs() {
		want.Routes = append(want.Routes, netip.PrefixFrom(a, a.BitLen()))
		s.run(s.outside, fmt.Sprintf("ip route replace %v via %v", want.Network[i], s.vm.Addrs()[i]))
	}
	s.set(want)
	s.settled(want)
	families(t, func(t *testing.T, i int) {
		lan := s.outside.Addrs()[i]
		if got := s.sees(s.peer, s.outside, peerAddrs[i]); got != lan {
			t.Errorf("the overlay sees %v, want the host behind the node: %v", got, lan)
		}
		if got := s.sees(s.outside, s.peer, lan); got != peerAddrs[i] {
			t.Errorf("the host behind the node sees %v, want the peer's pod: %v", got, peerAddrs[i])
		}
		if got := s.sees(s.outside, s.pod, lan); got != podAddrs[i] {
			t.Errorf("the host behind the node sees %v, want our pod: %v", got, podAddrs[i])
		}
	})
}

func TestWhatKubeProxyHasMarkedIsLeftToIt(t *testing.T) {
	s := newSite(t)
	s.set(wanted())
	s.run(s.vm, `nft -f - <<END
table inet marks { chain prerouting { type filter hook prerouting priority mangle; meta mark set 0x4000; }; }
END`)
	families(t, func(t *testing.T, i int) {
		if got := s.sees(s.outside, s.pod, s.outside.Addrs()[i]); got != podAddrs[i] {
			t.Errorf("outside sees %v, want %v: kube-proxy's packet was rewritten", got, podAddrs[i])
		}
	})
}

// documented is a block of docs/firewall.md.
func documented(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/firewall.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)<!-- " + name + " -->\n```\n(.*?)```").FindSubmatch(text)
	if block == nil {
		t.Fatalf("docs/firewall.md has no block %s", name)
	}
	return string(block[1])
}

func TestNeighboursAreKeptOutAsDocumented(t *testing.T) {
	s := newSite(t)
	s.set(wanted())
	s.run(s.vm, documented(t, "neighbours"))
	s.set(wanted())
	families(t, func(t *testing.T, i int) {
		if s.reaches(s.peer, s.outside, peerAddrs[i]) {
			t.Error("a neighbour gets into the overlay")
		}
		s.sees(s.peer, s.pod, peerAddrs[i])
		s.sees(s.outside, s.pod, s.outside.Addrs()[i])
	})
}

// The table is in the documentation as nft(8) shows it.
func TestTheTableIsAsDocumented(t *testing.T) {
	s := newSite(t)
	want := wanted()
	want.Routes = prefixes("192.168.7.0/24")
	s.set(want)
	if got := s.run(s.vm, "nft list table inet weft"); !slices.Equal(lines(got), lines(documented(t, "table"))) {
		t.Errorf("nft list table inet weft:\n%s", got)
	}
}

func TestASecondSetChangesNothingAndAThirdDoesNotEvenLook(t *testing.T) {
	s := newSite(t)
	if changes := s.set(wanted()); len(changes) != 1 || changes[0] != (kernel.Change{Op: kernel.Added, Kind: KindTable, What: "inet weft"}) {
		t.Errorf("the first Set changed: %v", changes)
	}
	s.settled(wanted())
	if !s.rules.seen.known {
		t.Error("the second Set does not remember that all was well")
	}
	s.settled(wanted())
	s.rules = NewRules(nil)
	s.settled(wanted()) // another process finds the table as its own would be
}

func TestWhatSomebodyDoesToTheTableIsUndone(t *testing.T) {
	s := newSite(t)
	s.set(wanted())
	want := s.ruleset()
	for _, damage := range []string{
		"flush ruleset",
		"flush table inet weft",
		"delete table inet weft",
		"flush chain inet weft leaving",
		"add rule inet weft postrouting drop",
		"insert rule inet weft entering accept",
		"add chain inet weft more",
		"chain inet weft postrouting { policy drop; }",
		"table inet weft { flags dormant; }",
		"flush ruleset; add table inet weft",
	} {
		t.Run(damage, func(t *testing.T) {
			s.run(s.vm, "nft '"+damage+"'")
			if s.ruleset() == want {
				t.Fatal("the damage did nothing")
			}
			if changes := s.set(wanted()); !changes.Any() {
				t.Error("Set says that it changed nothing")
			}
			if got := s.ruleset(); got != want {
				t.Errorf("ruleset:\n%s\nwant:\n%s", got, want)
			}
			s.settled(wanted())
		})
	}
}

func TestARuleThatSomebodyReplacedIsPutBack(t *testing.T) {
	s := newSite(t)
	s.set(wanted())
	want := s.ruleset()
	handle := regexp.MustCompile(`leaves the overlay" # handle ([0-9]+)`).FindStringSubmatch(s.run(s.vm, "nft -a list table inet weft"))
	if handle == nil {
		t.Fatal("no such rule")
	}
	s.run(s.vm, "nft replace rule inet weft leaving handle "+handle[1]+` drop comment '"leaves the overlay"'`)
	s.set(wanted())
	if got := s.ruleset(); got != want {
		t.Errorf("ruleset:\n%s\nwant:\n%s", got, want)
	}
}

func TestTheTableFollowsTheState(t *testing.T) {
	s := newSite(t)
	s.set(wanted())
	moved := wanted()
	moved.Own = prefixes("10.244.9.0/24")
	if changes := s.set(moved); len(changes) != 1 || changes[0].Op != kernel.Changed {
		t.Errorf("changes = %v", changes)
	}
	if got := s.ruleset(); !strings.Contains(got, "10.244.9.0/24") || strings.Contains(got, "10.244.1.0/24") {
		t.Errorf("ruleset:\n%s", got)
	}
	s.settled(moved)
	if got := s.ruleset(); strings.Count(got, "table ") != 1 {
		t.Errorf("ruleset:\n%s", got)
	}
}

func TestOffAndRemoveLeaveNothing(t *testing.T) {
	s := newSite(t)
	s.set(wanted())
	off := State{Device: "weft0", Off: true}
	if changes := s.set(off); len(changes) != 1 || changes[0].Op != kernel.Removed {
		t.Errorf("changes = %v", changes)
	}
	s.settled(off)
	s.set(wanted())
	for range 2 {
		s.do(func() error { return NewRules(nil).Remove("weft0") })
		if got := s.ruleset(); got != "" {
			t.Errorf("left:\n%s", got)
		}
	}
}

func TestTwoWeftsOnOneHostLeaveEachOtherAlone(t *testing.T) {
	s := newSite(t)
	s.run(s.vm, "nft add table ip filter; nft 'add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }'")
	s.set(wanted())
	first := s.ruleset()
	other, second := wanted(), NewRules(nil)
	other.Device, other.Network, other.Own = "weft1", prefixes("10.99.0.0/16"), prefixes("10.99.1.0/24")
	s.do(func() error { _, err := second.Set(other); return err })
	if got := s.ruleset(); !strings.Contains(got, "table inet weft.weft1") || !strings.Contains(got, "table inet weft {") {
		t.Errorf("ruleset:\n%s", got)
	}
	s.settled(wanted())
	s.do(func() error { return second.Remove("weft1") })
	if got := s.ruleset(); got != first {
		t.Errorf("ruleset:\n%s\nwant:\n%s", got, first)
	}
}

func TestAStateThatMakesNoSenseIsRefused(t *testing.T) {
	for what, spoil := range map[string]func(*State){
		"no device":         func(s *State) { s.Device = "" },
		"a long device":     func(s *State) { s.Device = "sixteen-letters-" },
		"no network":        func(s *State) { s.Network = nil },
		"bits":              func(s *State) { s.Own = []netip.Prefix{netip.MustParsePrefix("10.244.1.1/24")} },
		"no prefix at all":  func(s *State) { s.Routes = []netip.Prefix{{}} },
		"IPv4 in IPv6 form": func(s *State) { s.Routes = prefixes("::ffff:10.0.0.0/104") },
	} {
		want := wanted()
		spoil(&want)
		if _, err := NewRules(nil).Set(want); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: err = %v", what, err)
		}
	}
}
