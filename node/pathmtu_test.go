package node

import (
	"net/netip"
	"testing"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/kernel"
	"github.com/weftnet/weft/mesh"
	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/router"
)

func TestARouteHasTheMTUOfItsPathAndIPv6NeverLessThanItsLeast(t *testing.T) {
	four, six := netip.MustParsePrefix("10.244.2.0/24"), netip.MustParsePrefix("fd10:244:0:2::/64")
	for _, c := range []struct {
		mtu      int
		of4, of6 kernel.OverlayMTU
	}{{1440, 1440, 1440}, {1340, 1340, 1340}, {1220, 1220, 1280}, {576, 576, 1280}} {
		if got4, got6 := routeMTU(four, c.mtu), routeMTU(six, c.mtu); got4 != c.of4 || got6 != c.of6 {
			t.Errorf("behind %d the routes have %d and %d, want %d and %d", c.mtu, got4, got6, c.of4, c.of6)
		}
	}
}

func TestTheMTUTowardsAPeerIsWhatItsPathCarriesWithinBounds(t *testing.T) {
	for _, c := range []struct {
		name       string
		inner      int // as the router knows it; 0: not yet
		theirs     int // link
		configured int
		want       int
	}{
		{"verified", 1340, 1500, 0, 1340},
		{"configured", 1440, 1500, 1300, 1300},
		{"the path is smaller than configured", 1200, 1500, 1300, 1200},
		{"not known yet", 0, 1400, 0, 1400 - encap.SealedOverhead4},
		{"not known yet, and the peer says nonsense", 0, 3, 0, 1500 - encap.SealedOverhead4},
		{"nonsense", 1, 1500, 0, leastPathMTU},
	} {
		n := &Node{}
		n.live.Store(&config.Config{Encryption: true, MTU: c.configured})
		n.egresses.known = map[netip.Addr]kernel.Egress{netip.MustParseAddr("192.0.2.2"): {MTU: 1500, Link: 1500}}
		p := router.PeerStatus{Endpoint: netip.MustParseAddrPort("192.0.2.2:9338"), InnerMTU: c.inner}
		if got := n.pathMTU(&p, &mesh.Claim{UnderlayMTU: c.theirs}, nil); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

// What the kernel has learnt by ICMP is no bound: anybody may have sent that, and it is forgotten late.
func TestTheBoundOfAPathIsOfTheInterface(t *testing.T) {
	n := &Node{}
	to := netip.MustParseAddr("192.0.2.2")
	n.egresses.known = map[netip.Addr]kernel.Egress{to: {MTU: 600, Link: 1500}}
	if got := n.linkMTU(to, new(router.PeerStatus), new(mesh.Claim), nil); got != 1500 {
		t.Errorf("the bound is %d", got)
	}
}
