package node

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/gaissmai/bart"

	"github.com/weftnet/weft/encap/simnet"
	"github.com/weftnet/weft/mesh"
	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/router"
	"github.com/weftnet/weft/trust"
)

// crowd is a node, and what it knows of a cluster of so many peers that it reaches: each owns a subnet, and leads to a site
// together with its neighbour.
func crowd(tb testing.TB, peers int) (*Node, mesh.View, map[trust.Fingerprint]router.PeerStatus) {
	tb.Helper()
	cfg := config.Default()
	cfg.Network = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	host := simnet.New(simnet.Options{}).Host(netip.MustParseAddr("192.0.2.1"))
	n := &Node{
		platform: &Platform{Kernel: &fakeKernel{host: host, mtu: 1500}}, identity: identityOf(tb, 0), protected: newProtected(nil),
		started: time.Now(),
	}
	n.live.Store(&cfg)
	view := mesh.View{Heard: true, Rules: mesh.Rules{Network: cfg.Network, Forbidden: n.forbidden}}
	up, known := map[trust.Fingerprint]router.PeerStatus{}, []router.PeerStatus{}
	for i := 1; i <= peers; i++ {
		c := claimOf(tb, i)
		view.Claims = append(view.Claims, c)
		view.Members = append(view.Members, mesh.Member{ID: c.ID(), Name: c.Name, Claim: c, Alive: true, Observed: c.Endpoints})
		p := router.PeerStatus{ID: c.ID(), Name: c.Name, Up: true, Endpoint: c.Endpoints[0], Last: c.Endpoints[0], Since: time.Now()}
		up[c.ID()], known = p, append(known, p)
	}
	n.protected.learn(known, view.Claims)
	return n, view, up
}

// identityOf is the identity of the node of that number.
func identityOf(tb testing.TB, i int) *trust.Identity {
	tb.Helper()
	seed := make([]byte, 32)
	binary.BigEndian.PutUint64(seed, uint64(i))
	id, err := trust.NewIdentity(seed)
	if err != nil {
		tb.Fatal(err)
	}
	return id
}

// claimOf is what node i of a crowd claims: 10.x.y.0/24, the site 172.x.y.0/24 of which its neighbour is a gateway, too, and an
// endpoint in 198.18.0.0/15.
func claimOf(tb testing.TB, i int) *mesh.Claim {
	tb.Helper()
	within := func(a, b, n int) netip.Addr { return netip.AddrFrom4([4]byte{byte(a), byte(b + n>>8), byte(n), 0}) }
	c, err := mesh.Sign(identityOf(tb, i), mesh.Claim{
		Version: 1, Name: fmt.Sprint("node-", i), Kind: mesh.KindStatic, Since: time.Unix(int64(i), 0),
		Network:   []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
		Subnets:   []netip.Prefix{netip.PrefixFrom(within(10, 0, i), 24)},
		Routes:    []netip.Prefix{netip.PrefixFrom(within(172, 16, i/2), 24)},
		Endpoints: []netip.AddrPort{netip.AddrPortFrom(within(198, 18, i).Next(), config.DefaultPort)}, UnderlayMTU: 1500,
	})
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func TestAPlanSaysOfEachNodeWhatItOwnsAndWhereItIsActiveAndStandby(t *testing.T) {
	n, view, up := crowd(t, 3) // 2 and 3 lead to the same site; 2 claimed it first
	site := netip.MustParsePrefix("172.16.1.0/24")
	plan := n.plan(view, up)
	for i, want := range []struct{ prefixes, standby []netip.Prefix }{
		{[]netip.Prefix{netip.MustParsePrefix("10.0.1.0/24"), netip.MustParsePrefix("172.16.0.0/24")}, nil},
		{[]netip.Prefix{netip.MustParsePrefix("10.0.2.0/24"), site}, nil},
		{[]netip.Prefix{netip.MustParsePrefix("10.0.3.0/24")}, []netip.Prefix{site}},
	} {
		got := plan.table.Peers[i]
		if !slices.Equal(got.Prefixes, want.prefixes) || !slices.Equal(got.Standby, want.standby) {
			t.Errorf("%s carries %v and is standby for %v, want %+v", got.Name, got.Prefixes, got.Standby, want)
		}
	}
}

func TestEndpointsInNetworksThatTheOverlayLeadsToAreNotCalled(t *testing.T) {
	n, view, up := crowd(t, 3)
	delete(up, view.Members[0].ID) // nobody leads to 172.16.0.0/24 now
	plan := n.plan(view, up)
	at := func(addrs ...string) (list []netip.AddrPort) {
		for _, a := range addrs {
			list = append(list, netip.AddrPortFrom(netip.MustParseAddr(a), config.DefaultPort))
		}
		return list
	}
	got := plan.outside(at("172.16.0.9", "172.16.1.9", "198.18.0.1"))
	if want := at("172.16.0.9", "198.18.0.1"); !slices.Equal(got, want) {
		t.Errorf("called are %v, want %v", got, want)
	}
	plan.foreign, plan.kernel.LANs = bart.Lite{}, []netip.Prefix{netip.MustParsePrefix("172.16.1.0/24")}
	plan.findForeign()
	if got := plan.outside(at("172.16.1.9")); len(got) != 1 {
		t.Error("an endpoint in a network behind this very node is not called")
	}
}

func TestAnAddressCountsAsCoveredUnlessAllPeersThatAreReachedThereClaimIt(t *testing.T) {
	p, site := newProtected(nil), netip.MustParsePrefix("172.16.0.0/24")
	claims := []*mesh.Claim{claimOf(t, 1)} // it claims the site
	at := func(id trust.Fingerprint, addr string) router.PeerStatus {
		return router.PeerStatus{ID: id, Last: netip.AddrPortFrom(netip.MustParseAddr(addr), config.DefaultPort)}
	}
	gateway, other := claims[0].ID(), trust.Fingerprint{9}
	around := []router.PeerStatus{at(other, "172.15.255.255"), at(other, "172.16.1.0"), at(other, "2001:db8::1"), at(gateway, "172.16.0.7")}
	for _, c := range []struct {
		peers    []router.PeerStatus
		gateways bool
		want     string
	}{
		{around, true, "invalid IP"},
		{around, false, "172.16.0.7"},
		{append(around, at(other, "172.16.0.7")), true, "172.16.0.7"}, // behind the same address translation
		{append(around, at(other, "172.16.0.9"), at(other, "172.16.0.8")), true, "172.16.0.8"},
		{nil, false, "invalid IP"},
	} {
		p.learn(c.peers, claims)
		if got, ok := p.peers.Load().covered(site, c.gateways); got.String() != c.want || ok != got.IsValid() {
			t.Errorf("gateways %v: it covers %v, want %s", c.gateways, got, c.want)
		}
	}
}

// The time that each peer costs must not grow with their number.
func BenchmarkPlan(b *testing.B) {
	for _, peers := range []int{125, 250, 500, 1000} {
		b.Run(fmt.Sprint("peers=", peers), func(b *testing.B) {
			n, view, up := crowd(b, peers)
			for b.Loop() {
				if p := n.plan(view, up); len(p.routes) != peers+peers/2+1 || p.reached != peers {
					b.Fatalf("%d routes, %d reached", len(p.routes), p.reached)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(peers), "ns/peer")
		})
	}
}
