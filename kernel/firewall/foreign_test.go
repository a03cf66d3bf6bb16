package firewall

import (
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weftnet/weft/kernel"
)

// obstacles are what other programs make, cut down to what decides about forwarding.
var obstacles = []struct {
	name     string
	programs []string
	make     string
	door     string // the chain that shall have our rules
}{
	{
		name: "Docker", programs: []string{"iptables-nft", "ip6tables-nft"}, door: "DOCKER-USER",
		make: `for i in iptables-nft ip6tables-nft; do
			$i -P FORWARD DROP
			$i -N DOCKER-USER
			$i -A DOCKER-USER -j RETURN
			$i -N DOCKER-FORWARD
			$i -A FORWARD -j DOCKER-USER
			$i -A FORWARD -j DOCKER-FORWARD
			$i -A DOCKER-FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
			$i -A DOCKER-FORWARD -i docker0 ! -o docker0 -j ACCEPT
		done`,
	},
	{
		name: "ufw", programs: []string{"iptables-nft", "ip6tables-nft"}, door: "FORWARD",
		make: `for v in "" 6; do
			i=ip${v}tables-nft; u=ufw$v
			for c in before-logging before after reject; do $i -N $u-$c-forward; $i -A FORWARD -j $u-$c-forward; done
			$i -A $u-before-forward -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
			$i -A $u-reject-forward -j REJECT
			$i -P FORWARD DROP
		done`,
	},
	{
		name: "firewalld", door: "filter_FORWARD",
		make: `nft -f - <<END
		table inet firewalld {
			chain filter_FORWARD_ZONES {
				iifname "eth0" drop
				reject with icmpx admin-prohibited
			}
			chain filter_FORWARD {
				type filter hook forward priority filter + 10; policy accept;
				ct state established,related accept
				ct status dnat accept
				iifname "lo" accept
				jump filter_FORWARD_ZONES
				reject with icmpx admin-prohibited
			}
		}
END`,
	},
	{
		name: "a policy", door: "forward",
		make: `nft -f - <<END
		table inet filter {
			chain forward { type filter hook forward priority filter; policy drop; ct state established accept; }
		}
END`,
	},
	{
		name: "a last rule of an image", programs: []string{"iptables-nft", "ip6tables-nft"}, door: "FORWARD",
		make: `iptables-nft -A FORWARD -j REJECT --reject-with icmp-host-prohibited; ip6tables-nft -A FORWARD -j REJECT`,
	},
}

func TestAnObstacleIsOpenedForTheOverlayAndLeftAsItWas(t *testing.T) {
	for _, o := range obstacles {
		t.Run(o.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, o.programs...)
			s.run(s.vm, o.make)
			before := s.ruleset()
			families(t, func(t *testing.T, i int) {
				if s.reaches(s.peer, s.pod, peerAddrs[i]) {
					t.Fatal("the pod reaches the overlay without us: this is no obstacle")
				}
			})
			s.set(wanted())
			s.settled(wanted())
			families(t, func(t *testing.T, i int) {
				if got := s.sees(s.peer, s.pod, peerAddrs[i]); got != podAddrs[i] {
					t.Errorf("the overlay sees %v, want the pod", got)
				}
				if got := s.sees(s.pod, s.peer, podAddrs[i]); got != peerAddrs[i] {
					t.Errorf("the pod sees %v, want the overlay", got)
				}
				if s.reaches(s.outside, s.pod, s.outside.Addrs()[i]) {
					t.Error("what does not concern the overlay may pass, too")
				}
			})
			if got := s.doors(); !slices.Equal(slices.Compact(slices.Sorted(slices.Values(got))), []string{o.door}) {
				t.Errorf("our rules are in %v, want %s", got, o.door)
			}
			for range 2 {
				s.do(func() error { return s.rules.Remove("weft0") })
				if after := s.ruleset(); after != before {
					t.Errorf("after:\n%s\nbefore:\n%s", after, before)
				}
			}
		})
	}
}

// doors are the chains with rules of ours outside of our table, by their comment.
func (s *site) doors() []string {
	var list []string
	chain := ""
	for _, line := range lines(s.ruleset()) {
		if name, ok := strings.CutPrefix(line, "chain "); ok {
			chain = strings.TrimSuffix(name, " {")
		}
		if strings.Contains(line, `comment "weft: forwarded for weft0"`) {
			list = append(list, chain)
		}
	}
	return list
}

func TestIptablesStillReadsAChainWithOurRules(t *testing.T) {
	s := newSite(t, "iptables-nft")
	s.run(s.vm, "iptables-nft -P FORWARD DROP")
	s.set(wanted())
	got := lines(s.run(s.vm, "iptables-nft -S FORWARD"))
	want := []string{
		"-P FORWARD DROP",
		`-A FORWARD -i weft0 -m comment --comment "weft: forwarded for weft0" -j ACCEPT`,
		`-A FORWARD -o weft0 -m comment --comment "weft: forwarded for weft0" -j ACCEPT`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("iptables-nft -S FORWARD:\n%s", strings.Join(got, "\n"))
	}
}

func TestAChainThatLetsEverythingPassIsLeftAlone(t *testing.T) {
	s := newSite(t)
	s.run(s.vm, `nft -f - <<END
table inet filter {
	chain deeper { ip daddr 203.0.113.0/24 drop; }
	chain forward { type filter hook forward priority filter; policy accept; iifname "eth7" drop; jump deeper; }
	chain input { type filter hook input priority filter; policy drop; iifname "lo" accept; }
}
table arp filter { chain input { type filter hook input priority filter; policy drop; }; }
END`)
	s.set(wanted())
	if got := s.doors(); len(got) != 0 {
		t.Errorf("our rules are in %v", got)
	}
}

func TestAnObstacleOfAFamilyThatTheOverlayDoesNotHaveIsLeftAlone(t *testing.T) {
	s := newSite(t)
	s.run(s.vm, `nft 'table ip6 filter { chain forward { type filter hook forward priority filter; policy drop; }; }'`)
	want := wanted()
	want.Network, want.Own = want.Network[:1], want.Own[:1]
	s.set(want)
	if got := s.doors(); len(got) != 0 {
		t.Errorf("our rules are in %v", got)
	}
}

func TestOurRulesFollowAReloadAndMoveToDockersChainWhenItComes(t *testing.T) {
	s := newSite(t, "iptables-nft")
	s.run(s.vm, "iptables-nft -P FORWARD DROP")
	s.set(wanted())
	for _, c := range []struct {
		what, command string
		doors         []string
	}{
		{"flushed", "iptables-nft -F", []string{"FORWARD", "FORWARD"}},
		{"doubled", `nft 'add rule ip filter FORWARD iifname weft0 accept comment "weft: forwarded for weft0"'; nft flush chain ip filter FORWARD`, []string{"FORWARD", "FORWARD"}},
		{"Docker starts", "iptables-nft -N DOCKER-USER; iptables-nft -I FORWARD -j DOCKER-USER", []string{"DOCKER-USER", "DOCKER-USER"}},
		{"Docker's jump is lost", "iptables-nft -D FORWARD -j DOCKER-USER", []string{"FORWARD", "FORWARD"}},
		{"the policy is accept", "iptables-nft -P FORWARD ACCEPT", nil},
	} {
		s.run(s.vm, c.command)
		s.set(wanted())
		if got := s.doors(); !slices.Equal(got, c.doors) {
			t.Errorf("%s: our rules are in %v, want %v:\n%s", c.what, got, c.doors, s.ruleset())
		}
		s.settled(wanted())
	}
}

func TestRulesOfOursThatAreThereTwiceOrOldAreReplaced(t *testing.T) {
	s := newSite(t)
	s.run(s.vm, `nft 'table inet filter { chain forward { type filter hook forward priority filter; policy drop; }; }'`)
	s.set(wanted())
	want := s.ruleset()
	s.do(func() error { // as a version of weft might that had other rules
		session, err := openSession()
		if err != nil {
			return err
		}
		defer session.close()
		run := &reconcile{session: session, want: wanted(), log: s.rules.log}
		if run.chains, err = session.chains(); err != nil {
			return err
		}
		list, err := run.foreignChains()
		if err != nil {
			return err
		}
		old := rule{"forward", "weft: an old rule", verdictAccept()}
		tag, err := old.tag("weft0")
		if err != nil {
			return err
		}
		session.nft.InsertRule(old.nft(list[0].Chain, tag))
		session.nft.AddRule(old.nft(list[0].Chain, tag))
		return session.nft.Flush()
	})
	s.set(wanted())
	if got := s.ruleset(); got != want {
		t.Errorf("ruleset:\n%s\nwant:\n%s", got, want)
	}
}

func TestAChainThatOnlyItsOwnerCanChangeIsNamedWithTheRemedy(t *testing.T) {
	s := newSite(t)
	owner := s.owner()
	owner(`add table inet firewalld { flags owner; }`)
	owner(`add chain inet firewalld filter_FORWARD { type filter hook forward priority filter + 10; policy accept; }`)
	owner(`add rule inet firewalld filter_FORWARD reject with icmpx admin-prohibited`)
	s.until("firewalld's table", func() bool { return strings.Contains(s.ruleset(), "reject") })

	err := s.vm.Do(func() error { _, err := s.rules.Set(wanted()); return err })
	owned := new(OwnedError)
	if !errors.As(err, &owned) || owned.Chain != "inet firewalld filter_FORWARD" ||
		!strings.Contains(err.Error(), "firewall-cmd --permanent --zone=trusted --add-interface=weft0 && ") ||
		!strings.Contains(err.Error(), "--add-source=10.244.0.0/16 && ") || strings.Contains(err.Error(), "\n") {
		t.Errorf("err = %v", err)
	}
	if !strings.Contains(s.ruleset(), "table inet weft {") {
		t.Error("our own table was not made")
	}

	var again error
	for range 2 { // the first Set has made our table; the second finds nothing to do, and the third does not look
		again = s.vm.Do(func() error { _, err := s.rules.Set(wanted()); return err })
	}
	if !errors.As(again, new(*OwnedError)) || !s.rules.seen.known {
		t.Errorf("at the same generation: %v, remembered: %v", again, s.rules.seen.known)
	}

	owner(`insert rule inet firewalld filter_FORWARD iifname "weft0" accept`)
	s.until("the remedy", func() bool { return strings.Contains(s.ruleset(), `iifname "weft0" accept`) })
	s.settled(wanted())
}

// owner runs an interactive nft(8) in vm, whose tables are its own, and returns what gives it commands.
func (s *site) owner() func(command string) {
	s.t.Helper()
	in, out := io.Pipe()
	cmd := exec.CommandContext(s.t.Context(), "ip", "netns", "exec", s.vm.FullName(), "nft", "-i")
	cmd.Stdin = in
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		out.Close()
		_ = cmd.Wait()
	})
	return func(command string) {
		if _, err := io.WriteString(out, command+"\n"); err != nil {
			s.t.Fatal(err)
		}
	}
}

func TestErrorsAreOneLineAndKeepTheirKinds(t *testing.T) {
	var f faults
	if f.add(nil); f.err() != nil {
		t.Errorf("no faults are %v", f.err())
	}
	f.add(&LegacyError{Device: "weft0"})
	f.add(kernel.ErrPermission)
	if err := f.err(); !errors.Is(err, kernel.ErrPermission) || !errors.As(err, new(*LegacyError)) || strings.Contains(err.Error(), "\n") {
		t.Errorf("err = %v", err)
	}
}

// netfilter-persistent and 'nft list ruleset >/etc/nftables.conf' save our rules with those of others, without our tag.
func TestRulesThatWereSavedAndLoadedAgainAreOursByTheirComment(t *testing.T) {
	s := newSite(t, "iptables-nft")
	s.run(s.vm, "iptables-nft -P FORWARD DROP; nft 'add table inet mine; add chain inet mine forward { type filter hook forward priority 5; policy drop; }'")
	s.set(wanted())
	list := func() string { return s.run(s.vm, "iptables-nft -S FORWARD; nft list chain inet mine forward") }
	once := list()
	file := filepath.Join(t.TempDir(), "saved")
	for range 2 {
		s.run(s.vm, "iptables-nft-save >"+file+" && iptables-nft-restore <"+file)
		s.run(s.vm, "nft list table inet mine >"+file+" && nft delete table inet mine && nft -f "+file)
		s.set(wanted())
		if now := list(); now != once {
			t.Errorf("the chains were\n%s\nand are\n%s", once, now)
		}
	}
	s.do(func() error { return NewRules(nil).Remove("weft0") })
	if left := list(); strings.Contains(left, "weft0") {
		t.Errorf("left:\n%s", left)
	}
}

// A pod's connections to another pod of its node, and those that a port of the node leads to it, pass the bridge and not our device.
func TestWithABridgeOfPodsItsTrafficPassesAnObstacleAndKeepsItsSource(t *testing.T) {
	s := newSite(t, "iptables-nft", "ip6tables-nft")
	s.run(s.vm, "for i in iptables-nft ip6tables-nft; do $i -P FORWARD DROP; done")
	want := wanted()
	want.Bridge = "weftbr0"
	s.set(want)
	s.settled(want)
	if got := s.doors(); len(got) != 8 {
		t.Errorf("our rules are in %v", got)
	}
	families(t, func(t *testing.T, i int) {
		if got := s.sees(s.pod, s.outside, podAddrs[i]); got != s.outside.Addrs()[i] {
			t.Errorf("the pod sees %v of a caller from outside, want %v", got, s.outside.Addrs()[i])
		}
		if got := s.sees(s.outside, s.pod, s.outside.Addrs()[i]); got != s.vm.Addrs()[i] {
			t.Errorf("the outside sees %v of the pod, want the host", got)
		}
	})
	for _, program := range []string{"iptables-nft", "ip6tables-nft"} {
		if got := s.run(s.vm, program+" -S FORWARD"); !strings.Contains(got, "-A FORWARD -o weftbr0") {
			t.Errorf("%s -S FORWARD:\n%s", program, got)
		}
	}
	s.set(wanted())
	if got := s.ruleset(); strings.Contains(got, "weftbr0") {
		t.Errorf("without a bridge:\n%s", got)
	}
}

func TestTheRemedyForAChainOfFirewalldNamesTheBridgeOfPods(t *testing.T) {
	e := &OwnedError{Chain: "inet firewalld filter_FORWARD", Device: "weft0", Bridge: "weftbr0", Network: wanted().Network}
	if !strings.Contains(e.Error(), "--zone=trusted --add-interface=weft0 --add-interface=weftbr0 && ") {
		t.Error(e)
	}
	e.Chain = "inet mine forward"
	if !strings.HasSuffix(e.Error(), "let it accept what comes in by weft0 or weftbr0 and what goes out by weft0 or weftbr0") {
		t.Error(e)
	}
}

// kube-router leads to its policies by the first rule, until Docker starts, and writes the whole table anew at each change of a pod, without
// our tag.
func TestOurRulesAreBehindNetworkPoliciesAlsoWhenTheTableWasSavedAndLoadedAgain(t *testing.T) {
	s := newSite(t, "iptables-nft", "ip6tables-nft")
	s.run(s.vm, `for i in iptables-nft ip6tables-nft; do
		$i -P FORWARD DROP
		$i -N KUBE-ROUTER-FORWARD
		$i -A KUBE-ROUTER-FORWARD -o weft0 -j REJECT
		$i -A FORWARD -m comment --comment "kube-router netpol - TEMCG2JMHZYE7H7T" -j KUBE-ROUTER-FORWARD
		$i -A FORWARD -i docker0 -j ACCEPT
	done`)
	for _, change := range []string{":", "$i-save -t filter | $i-restore", "$i -N DOCKER-USER; $i -I FORWARD -j DOCKER-USER"} {
		s.run(s.vm, "for i in iptables-nft ip6tables-nft; do "+change+"\ndone")
		s.set(wanted())
		s.settled(wanted())
		families(t, func(t *testing.T, i int) {
			if s.reaches(s.peer, s.pod, peerAddrs[i]) {
				t.Errorf("after %q passes what a network policy refuses", change)
			}
		})
		for _, program := range []string{"iptables-nft", "ip6tables-nft"} {
			_, behind, _ := strings.Cut(s.run(s.vm, program+" -S FORWARD"), "-j KUBE-ROUTER-FORWARD\n")
			if got := lines(behind); len(got) != 3 || !strings.Contains(got[0], "-i weft0") || !strings.Contains(got[1], "-o weft0") {
				t.Errorf("after %q are behind network policies by %s:\n%s", change, program, behind)
			}
		}
	}
}

// So did a build that knew nothing of network policies leave them.
func TestOurRulesInFrontOfNetworkPoliciesAreMovedBehindThem(t *testing.T) {
	s := newSite(t, "iptables-nft", "ip6tables-nft")
	s.run(s.vm, "iptables-nft -P FORWARD DROP; ip6tables-nft -P FORWARD DROP")
	s.set(wanted())
	s.run(s.vm, `for i in iptables-nft ip6tables-nft; do
		$i -N KUBE-ROUTER-FORWARD
		$i -A KUBE-ROUTER-FORWARD -o weft0 -j REJECT
		$i -A FORWARD -j KUBE-ROUTER-FORWARD
	done`)
	if !s.set(wanted()).Any() {
		t.Error("nothing was moved")
	}
	s.settled(wanted())
	families(t, func(t *testing.T, i int) {
		if s.reaches(s.peer, s.pod, peerAddrs[i]) {
			t.Error("passes what a network policy refuses")
		}
	})
	for _, program := range []string{"iptables-nft", "ip6tables-nft"} {
		front, behind, _ := strings.Cut(s.run(s.vm, program+" -S FORWARD"), "-j KUBE-ROUTER-FORWARD\n")
		if strings.Contains(front, "weft0") || strings.Count(behind, "-A FORWARD") != 2 {
			t.Errorf("by %s:\n%s----\n%s", program, front, behind)
		}
	}
}
