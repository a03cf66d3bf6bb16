package firewall

import (
	"errors"
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

func TestATableOfNoSenseIsReadToItsEnd(t *testing.T) {
	for _, l := range []legacy{legacy4, legacy6} {
		for size := range 400 {
			zero := &legacyTable{entries: make([]byte, size), policy: size / 2}
			ones := &legacyTable{entries: slices.Repeat([]byte{0xff}, size), policy: size / 2}
			for _, table := range []*legacyTable{zero, ones} {
				if table.drops(l) || table.accepts(l, "weft0") {
					t.Fatalf("%d bytes of %v decide something", size, table.entries[:min(size, 1)])
				}
			}
		}
	}
}
