package sim

import (
	"fmt"
	"testing"
	"time"
)

func TestNodesBehindNATs(t *testing.T) {
	for _, c := range []struct {
		a, b   NATKind
		direct bool
	}{
		{Open, Independent, true},
		{Open, Symmetric, true},
		{Open, OneToOne, true},
		{Independent, Independent, true},
		{Independent, Symmetric, false}, // what the symmetric one is seen as elsewhere tells nothing of the mapping towards this peer
		{Symmetric, Symmetric, false},
		{OneToOne, OneToOne, true},
		{OneToOne, Symmetric, true},
	} {
		t.Run(fmt.Sprintf("%v and %v", c.a, c.b), func(t *testing.T) {
			kinds := []NATKind{Open, Open, c.a, c.b}
			w := newWorld(t, Config{Nodes: 4, Rekey: time.Hour, NAT: func(i int) NATKind { return kinds[i] }})
			startAll(w, time.Second)
			took := mustConverge(t, w, 10*time.Second)
			flows := both(w, 2, 3, 20*time.Millisecond)
			w.Run(5 * time.Second)
			direct := isStraight(w, 2, 3) && isStraight(w, 3, 2)
			total, _ := outage(w, flows, w.Now().Add(-5*time.Second))
			t.Logf("all reach all after %v, straight: %v, %v lost", took, direct, total)
			if direct != c.direct || total > 500*time.Millisecond {
				t.Errorf("straight: %v, want %v; %v lost, want at most 0.5 s", direct, c.direct, total)
			}
		})
	}
}

func TestANATThatForgetsItsMappingsCostsLittle(t *testing.T) {
	w := newWorld(t, Config{Nodes: 4, Rekey: time.Hour, NAT: func(i int) NATKind { return []NATKind{Open, Open, Open, Independent}[i] }})
	startAll(w, time.Second)
	mustConverge(t, w, 10*time.Second)
	flows := both(w, 2, 3, 10*time.Millisecond)
	w.Run(5 * time.Second)
	begin := w.Now()
	w.Node(3).nat.forget()
	w.Run(10 * time.Second)
	total, _ := outage(w, flows, begin)
	t.Logf("a NAT forgets: %v lost", total)
	if total > 3*time.Second {
		t.Errorf("%v lost, want at most 3 s", total)
	}
}
