package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/lab/attack"
	"github.com/weftnet/weft/lab/cluster"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/router"
)

// claim is a claim of the member's: for what it owns, and for more.
func (in *insider) claim(t *testing.T, more attack.Claim) attack.Claim {
	t.Helper()
	in.version++
	more.Version, more.Name, more.Network = in.version, in.Nodes[2].Name(), status(t, in.victim).Node.Network
	more.Subnets = append(slices.Clone(in.own), more.Subnets...)
	more.Endpoints = []netip.AddrPort{endpoint(in.Nodes[2])}
	if more.Keys.Fingerprint() == (attack.Claim{}).Keys.Fingerprint() {
		more.Keys = in.id.Public()
	}
	return more
}

// says sends a claim to the victim.
func (in *insider) says(t *testing.T, c attack.Claim) {
	t.Helper()
	message, err := c.Message(in.id)
	if err != nil {
		t.Fatal(err)
	}
	if err := in.SendGossip(message); err != nil {
		t.Fatal(err)
	}
}

// heeded sends an honest claim for a route of its own, and waits until the victim has it in force: it has taken what came before.
func (in *insider) heeded(t *testing.T) {
	t.Helper()
	in.version++
	route := netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 18, byte(in.version), 0}), 24)
	in.says(t, in.claim(t, attack.Claim{Kind: attack.KindAuto, Since: time.Now(), Routes: []netip.Prefix{route}}))
	await(t, func() (bool, string) {
		for _, r := range routesOf(t, in.victim) {
			if r.Prefix == route && r.State == "in force" {
				return true, ""
			}
		}
		return false, fmt.Sprintf("a good claim for %v is not in force", route)
	})
}

func routesOf(t *testing.T, n *cluster.Node) []api.Route {
	t.Helper()
	routes, err := api.NewClient(n.Socket()).Routes(within(t, patience))
	if err != nil {
		t.Fatal(err)
	}
	return routes
}

// claimAsAnother says in the name of the bystander that it owns nothing, signed with the member's key.
func (in *insider) claimAsAnother(t *testing.T) {
	refused := status(t, in.victim).Node.Gossip.Refused
	before := routesTo(t, in.victim, in.bystands)
	claims := status(t, in.victim).Node.Claims
	in.says(t, attack.Claim{
		Keys: identityOf(t, in.bystands).Public(), Version: 1 << 50, Name: in.bystands.Name(), Kind: attack.KindStatic,
		Network: status(t, in.victim).Node.Network,
	})
	in.heeded(t)
	if after := routesTo(t, in.victim, in.bystands); !slices.Equal(after, before) {
		t.Errorf("the bystander had %v, has %v", before, after)
	}
	if n := status(t, in.victim).Node.Claims; n != claims {
		t.Errorf("there were %d claims, now there are %d", claims, n)
	}
	if n := status(t, in.victim).Node.Gossip.Refused - refused; n != 1 {
		t.Errorf("1 claim is forged, %d messages are counted as refused", n)
	}
	awaitPing(t, in.pods[0], in.pods[1].Addr4())
}

// routesTo are the prefixes in force that lead to a node, as another has them.
func routesTo(t *testing.T, at, to *cluster.Node) (prefixes []netip.Prefix) {
	t.Helper()
	for _, r := range routesOf(t, at) {
		if r.Owner == to.Name() && r.State == "in force" {
			prefixes = append(prefixes, r.Prefix)
		}
	}
	return prefixes
}

// claimOthers claims what is others', or nobody's to claim, with every kind of claim, and with the first time of all.
func (in *insider) claimOthers(t *testing.T) {
	in.awaitEstablished(t)
	victim, bystander := status(t, in.victim).Node, status(t, in.bystands).Node
	subnets := slices.Concat(victim.Subnets, bystander.Subnets, victim.Network, []netip.Prefix{
		netip.PrefixFrom(victim.Subnets[0].Addr(), 17).Masked(), netip.PrefixFrom(bystander.Subnets[0].Addr(), 18).Masked(), // around theirs
		netip.PrefixFrom(bystander.Subnets[0].Addr(), 32), netip.MustParsePrefix("192.0.2.0/24"),
	})
	routes := slices.Concat(victim.Network, []netip.Prefix{
		netip.PrefixFrom(in.victim.Addr4(), 32), netip.PrefixFrom(in.bystands.Addr4(), 32), netip.PrefixFrom(in.victim.Addr6(), 128),
		netip.MustParsePrefix("fd77:6566:7400::/64"), netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0"),
		netip.MustParsePrefix("0.0.0.0/1"), netip.MustParsePrefix("128.0.0.0/1"), netip.MustParsePrefix("127.0.0.0/8"),
		netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("192.0.0.0/8"),
	})
	for name, claim := range map[string]attack.Claim{
		"static, back-dated":     {Kind: attack.KindStatic, Since: time.Unix(0, 0)},
		"Kubernetes, back-dated": {Kind: attack.KindK8s, Since: time.Unix(0, 0)},
		"auto, back-dated":       {Kind: attack.KindAuto, Since: time.Unix(0, 0)},
		"of no known kind":       {Kind: 200, Since: time.Unix(0, 0)},
	} {
		t.Run(name, func(t *testing.T) {
			claim.Subnets, claim.Routes = subnets, routes
			before := in.holdings(t)
			in.says(t, in.claim(t, claim))
			in.awaitRefused(t, len(subnets)+len(routes))
			if after := in.holdings(t); after != before {
				t.Errorf("in force was\n%s\nand is\n%s", before, after)
			}
			in.sendFrom(t, slices.Concat(subnets, routes))
			awaitPing(t, in.pods[0], in.pods[1].Addr4())
			if n := in.Stolen(); n != 0 {
				t.Errorf("the member got %d packets of others", n)
			}
			in.heeded(t) // takes the claim back
		})
	}
}

// holdings say what victim and bystander own, as the victim sees it, and where the kernel sends it.
func (in *insider) holdings(t *testing.T) string {
	t.Helper()
	s := status(t, in.victim)
	return fmt.Sprint(s.Node.Subnets, s.Node.Addresses, routesTo(t, in.victim, in.victim), routesTo(t, in.victim, in.bystands))
}

// awaitRefused waits until the victim says of that many prefixes of the member's that it may not have them.
func (in *insider) awaitRefused(t *testing.T, want int) {
	t.Helper()
	await(t, func() (bool, string) {
		notes := status(t, in.victim).Node.Conflicts
		got := 0
		for _, n := range notes {
			if strings.Contains(n.Reason, in.Nodes[2].Name()) {
				got++
			}
		}
		return got == want, fmt.Sprintf("%d of %d prefixes are refused: %v", got, want, notes)
	})
}

// sendFrom sends packets from an address of each of the prefixes, as if the member owned them.
func (in *insider) sendFrom(t *testing.T, prefixes []netip.Prefix) {
	t.Helper()
	var frames [][]byte
	for _, p := range prefixes {
		from := p.Addr()
		if !p.IsSingleIP() {
			from = from.Next()
		}
		to := in.pods[0].Addr4()
		if from.Is6() {
			to = in.pods[0].Addr6()
		}
		frames = append(frames, in.data(t, datagram(from, to)))
	}
	in.repels(t, once(router.SpoofedSource, len(frames)), func() { in.send(t, endpoint(in.Nodes[2]), frames...) })
}
