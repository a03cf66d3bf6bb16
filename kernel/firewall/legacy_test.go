package firewall

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestAnOldIptablesThatDropsIsNamedWithTheCommandThatHelps(t *testing.T) {
	s := newSite(t, "iptables-legacy", "ip6tables-legacy")
	now := time.Now()
	s.rules.now = func() time.Time { return now }
	s.set(wanted())
	for _, c := range []struct {
		program, source string
		ipv6            bool
	}{{"iptables-legacy", "203.0.113.7", false}, {"ip6tables-legacy", "2001:db8::7", true}} {
		t.Run(c.program, func(t *testing.T) {
			s.run(s.vm, c.program+" -A FORWARD -s "+c.source+" -j ACCEPT") // a table that drops nothing
			s.settled(wanted())
			s.run(s.vm, c.program+" -P FORWARD DROP")
			s.settled(wanted()) // what was seen a moment ago is not looked at again
			now = now.Add(legacyPeriod)
			err := s.vm.Do(func() error { _, err := s.rules.Set(wanted()); return err })
			legacy := new(LegacyError)
			if !errors.As(err, &legacy) || legacy.IPv6 != c.ipv6 || strings.Contains(err.Error(), "\n") {
				t.Fatalf("err = %v", err)
			}
			s.do(func() error { return NewRules(nil).Remove("weft1") }) // says nothing of it
			i := slices.Index([]bool{false, true}, c.ipv6)
			if s.reaches(s.peer, s.pod, peerAddrs[i]) {
				t.Error("the pod reaches the overlay: this is no obstacle")
			}
			_, remedy, _ := strings.Cut(err.Error(), "that table: ")
			s.run(s.vm, remedy)
			now = now.Add(legacyPeriod)
			s.settled(wanted())
			s.sees(s.peer, s.pod, peerAddrs[i])
		})
	}
}

func TestARuleOfAnOldIptablesThatRefusesEverythingIsAnObstacle(t *testing.T) {
	s := newSite(t, "iptables-legacy")
	s.set(wanted())
	s.run(s.vm, "iptables-legacy -A FORWARD -i eth7 -j DROP; iptables-legacy -A FORWARD -p udp -j DROP")
	s.settled(wanted())
	s.run(s.vm, "iptables-legacy -A FORWARD -j REJECT --reject-with icmp-host-prohibited")
	if err := s.vm.Do(func() error { return LegacyObstacle("weft0", wanted().Network) }); !errors.As(err, new(*LegacyError)) {
		t.Errorf("err = %v", err)
	}
}

func TestWhatAnOldIptablesDoesWithPacketsForThisHostIsRead(t *testing.T) {
	s := newSite(t, "iptables-legacy", "ip6tables-legacy")
	s.run(s.vm, `for i in iptables-legacy ip6tables-legacy; do
		$i -P FORWARD DROP; $i -A FORWARD -p udp --dport 1 -j DROP
		$i -N mine; $i -A mine -p tcp -m multiport --dports 22,9338:9340 -j ACCEPT
		$i -A INPUT -i lo -j ACCEPT; $i -A INPUT -i eth+ -p udp --dport 9338 -j DROP; $i -A INPUT -j mine
		$i -A INPUT -p udp --sport 53 -j ACCEPT; $i -A INPUT -j REJECT
	done`)
	var got []LegacyInput
	s.do(func() error { got = LegacyInputs(); return nil })
	rules := []LegacyRule{
		{In: "lo", Verdict: LegacyAccept},
		{In: "eth*", Protocol: 17, Ports: []LegacyPorts{{9338, 9338}}, Verdict: LegacyRefuse},
		{},
		{Protocol: 17, Verdict: LegacyAccept, More: true},
		{Verdict: LegacyRefuse},
		{Protocol: 6, Ports: []LegacyPorts{{22, 22}, {9338, 9340}}, Verdict: LegacyAccept},
		{}, // the end of the chain
	}
	want := []LegacyInput{{false, true, rules, []string{"mine"}}, {true, true, rules, []string{"mine"}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}

func TestATableOfNoSenseIsReadToItsEnd(t *testing.T) {
	for _, l := range []legacy{legacy4, legacy6} {
		for size := range 400 {
			info := legacyInfo{}
			for hook := range info.underflow {
				info.underflow[hook] = uint32(size / 2)
			}
			zero := &legacyTable{info, make([]byte, size)}
			ones := &legacyTable{info, slices.Repeat([]byte{0xff}, size)}
			for _, table := range []*legacyTable{zero, ones} {
				if table.drops(l) || table.accepts(l, "weft0") || table.input(l).Drops {
					t.Fatalf("%d bytes of %v decide something", size, table.entries[:min(size, 1)])
				}
			}
		}
	}
}
