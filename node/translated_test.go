package node

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/router"
)

func TestWherePeersSeeANodeIsListedByHowManySaySo(t *testing.T) {
	at := netip.MustParseAddrPort
	home := at("192.168.1.10:9338")
	var peers []router.PeerStatus
	for _, seen := range []string{"192.0.2.9:1", "192.0.2.8:9338", "192.168.1.10:9338", "192.0.2.8:9338", ""} {
		p := router.PeerStatus{Up: true}
		if seen != "" {
			p.SeenAs = at(seen)
		}
		peers = append(peers, p)
	}
	peers = append(peers, router.PeerStatus{SeenAs: at("192.0.2.7:9338")}) // of before its path was lost
	got := seenElsewhere(peers, []netip.Addr{home.Addr()})
	want := []api.Seen{{Endpoint: at("192.0.2.8:9338"), Peers: 2}, {Endpoint: at("192.0.2.9:1"), Peers: 1}}
	if !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestAPublicEndpointIsClaimedWhenTwoAgreeAndForAsLongAsOneSaysSo(t *testing.T) {
	a, b := netip.MustParseAddrPort("192.0.2.8:9338"), netip.MustParseAddrPort("192.0.2.9:1")
	var claimed []netip.AddrPort
	for _, step := range []struct {
		seen []api.Seen
		want []netip.AddrPort
	}{
		{[]api.Seen{{Endpoint: a, Peers: 1}, {Endpoint: b, Peers: 1}}, nil}, // a NAT with a port for each destination
		{[]api.Seen{{Endpoint: a, Peers: 2}, {Endpoint: b, Peers: 1}}, []netip.AddrPort{a}},
		{[]api.Seen{{Endpoint: a, Peers: 1}}, []netip.AddrPort{a}},
		{[]api.Seen{{Endpoint: b, Peers: 1}}, nil},
	} {
		if claimed = agreed(step.seen, claimed); !slices.Equal(claimed, step.want) {
			t.Errorf("%+v: %v, want %v", step.seen, claimed, step.want)
		}
	}
}
