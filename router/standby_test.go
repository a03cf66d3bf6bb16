package router

import (
	"net/netip"
	"testing"

	"github.com/weftnet/weft/encap"
)

var (
	siteLAN  = netip.MustParsePrefix("172.20.0.0/24")
	siteHost = netip.MustParseAddr("172.20.0.7")
)

// lead makes b know who leads to 172.20.0.0/24: owner carries packets to there, the others of all are standby. nobody: nil.
func (x *trio) lead(owner *side, standby ...*side) {
	for _, s := range []*side{x.a, x.c} {
		s.config.Prefixes, s.config.Standby = s.config.Prefixes[:2:2], nil
	}
	if owner != nil {
		owner.config.Prefixes = append(owner.config.Prefixes, siteLAN)
	}
	for _, s := range standby {
		s.config.Standby = []netip.Prefix{siteLAN}
	}
	x.b.router.setTable(x.b.table(x.a, x.c))
}

// fromSite counts how many packets with a source in the site b takes from a node: 1 or 0.
func (x *trio) fromSite(from *side) int {
	x.t.Helper()
	texts, dropped := x.take(x.datagram(from, x.frame(from, udp(siteHost, pod(2), "from the site"))))
	if len(texts)+int(dropped[SpoofedSource]) != 1 {
		x.t.Errorf("delivered %q, dropped %v", texts, dropped)
	}
	return len(texts)
}

func TestPacketsFromASiteMayComeFromAnyNodeThatLeadsToIt(t *testing.T) {
	x := newTrio(t, byHand{})
	for name, test := range map[string]struct {
		owner   *side
		standby []*side
		a, c    int
	}{
		"a leads there":                 {x.a, nil, 1, 0},
		"a, and c is standby":           {x.a, []*side{x.c}, 1, 1},
		"c, and a is standby":           {x.c, []*side{x.a}, 1, 1},
		"this node, and c is standby":   {nil, []*side{x.c}, 0, 1},
		"this node, and both are":       {nil, []*side{x.a, x.c}, 1, 1},
		"nobody that this node can see": {nil, nil, 0, 0},
	} {
		x.lead(test.owner, test.standby...)
		if a, c := x.fromSite(x.a), x.fromSite(x.c); a != test.a || c != test.c {
			t.Errorf("%s: %d packets of a and %d of c delivered, want %d and %d", name, a, c, test.a, test.c)
		}
	}
}

func TestPacketsToASiteGoToItsOwnerAndNeverToAStandby(t *testing.T) {
	x := newTrio(t, byHand{})
	x.lead(x.a, x.c)
	table := x.b.router.table.Load()
	if owner := table.owner(siteHost); owner != x.b.known(x.a) {
		t.Error("they do not go to the owner")
	}
	x.lead(nil, x.c)
	if owner := x.b.router.table.Load().owner(siteHost); owner != nil {
		t.Errorf("without an owner they go to %s", owner.config.Name)
	}
}

func TestANarrowerRouteOfOursIsNotAPeersWiderOne(t *testing.T) {
	x := newTrio(t, byHand{})
	x.a.config.Prefixes = append(x.a.config.Prefixes, netip.MustParsePrefix("172.16.0.0/12"))
	table := x.b.table(x.a, x.c)
	table.Local = append(table.Local, siteLAN)
	x.b.router.setTable(table)
	spoofed := x.datagram(x.a, x.frame(x.a, udp(siteHost, pod(2), "as if from us")))
	honest := x.datagram(x.a, x.frame(x.a, udp(netip.MustParseAddr("172.16.0.1"), pod(2), "from a")))
	into := x.datagram(x.c, x.frame(x.c, udp(pod(3), siteHost, "to our site")))
	texts, dropped := x.take([]encap.Datagram{spoofed, honest, into}...)
	if len(texts) != 2 || dropped[SpoofedSource] != 1 || len(dropped) != 1 {
		t.Errorf("delivered %q, dropped %v", texts, dropped)
	}
}
