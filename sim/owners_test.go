package sim

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/weftnet/weft/mesh"
)

// halves divides the nodes into those of even and of odd index.
func halves(node int) int { return node % 2 }

// few is a subnet that a node takes by itself, of 16 that there are.
func few(int) mesh.Subnet { return mesh.Subnet{Kind: mesh.KindAuto, Bits4: 12} }

func TestOfTwoThatTookOneSubnetApartOneGivesItUp(t *testing.T) {
	const n = 12
	collisions := 0
	eachSeed(t, 3, func(t *testing.T, seed uint64) {
		w := newWorld(t, Config{Seed: seed, Nodes: n, Subnet: few, Rekey: time.Hour})
		w.Partition(halves)
		w.Start(0)
		w.Start(1)
		for i := 2; i < n; i++ {
			w.Start(i, i%2)
		}
		w.Run(30 * time.Second)
		taken := map[netip.Prefix]int{}
		for i := range n {
			if p, ok := w.Node(i).Subnet(); ok {
				taken[p]++
			}
		}
		collisions += n - len(taken)
		w.Partition(nil)
		w.Node(1).exchange(w.Node(0)) // an operator joins the halves: neither knows of the other
		took := mustConverge(t, w, 15*time.Second)
		t.Logf("%d of %d subnets were taken twice; all agree %v after the halves met", n-len(taken), n, took)
	})
	if collisions == 0 {
		t.Error("no subnet was taken twice: the test shows nothing")
	}
}

func TestAHostInstalledAnewGetsItsSubnet(t *testing.T) {
	w := newWorld(t, Config{Nodes: 8, Rekey: time.Hour})
	startAll(w, time.Second)
	mustConverge(t, w, 10*time.Second)
	w.Run(10 * time.Second)
	w.Kill(3)
	w.Run(20 * time.Second) // there is no gossip here that asks idle peers: probes do, every 15 s
	w.Reinstall(3, 0)
	took := mustConverge(t, w, 15*time.Second)
	t.Logf("the new identity owns the subnet at all nodes after %v", took)
	if took > time.Second {
		t.Errorf("it took %v, want at most 1 s", took)
	}
}

// Of two nodes that were given one subnet each keeps it where it was first. Nobody's traffic stops; both are told, until an operator
// decides.
func TestASubnetGivenTwiceIsAConflictThatBothSee(t *testing.T) {
	same := func(i int) mesh.Subnet { return Static(i % 4) } // 4 has that of 0, 5 that of 1
	w := newWorld(t, Config{Nodes: 6, Subnet: same, Rekey: time.Hour})
	w.Start(0)
	for i := 1; i < 4; i++ {
		w.Start(i, 0)
	}
	w.Run(20 * time.Second)
	flow := w.NewFlow(3, 0, 20*time.Millisecond)
	begin := w.Now()
	w.Start(4, 1)
	w.Start(5, 0)
	w.Run(20 * time.Second)
	for i := range 6 {
		for _, loser := range []int{4, 5} {
			p := Static(loser).Prefixes[0]
			if x := same(loser).Prefixes[0]; x != p {
				p = x
			}
			sees := slices.ContainsFunc(w.Node(i).Conflicts(), func(c mesh.Conflict) bool { return c.Loser == w.Node(loser).self && c.Prefix == p })
			if !sees || w.Node(i).Owner(p) != w.Node(loser-4) {
				t.Errorf("at %v, %v is %v's, conflict seen: %v", w.Node(i), p, w.Node(i).Owner(p), sees)
			}
		}
	}
	total, _ := outage(w, [2]*Flow{flow, flow}, begin)
	if total > 0 {
		t.Errorf("packets to the owner got lost for %v", total)
	}
}
