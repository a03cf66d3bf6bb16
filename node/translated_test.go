package node

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

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

// seenAt are endpoints, each of which so many peers see.
func seenAt(peers int, endpoints ...string) (list []api.Seen) {
	for _, at := range endpoints {
		list = append(list, api.Seen{Endpoint: netip.MustParseAddrPort(at), Peers: peers})
	}
	return list
}

func TestWhatANATDoesIsToldOnceAndAgainWhenItDoesSomethingElse(t *testing.T) {
	var l translations
	now := time.Now()
	for i, step := range []struct {
		after time.Duration
		seen  []api.Seen
		told  string // the mapping; empty: nothing is told
	}{
		{0, nil, ""},
		{0, seenAt(1, "192.0.2.8:1"), "not known: no two peers can be compared"},
		{time.Second, seenAt(1, "192.0.2.8:1", "192.0.2.8:2"), ""}, // too soon
		{10 * time.Second, seenAt(1, "192.0.2.8:1", "192.0.2.8:2"), "another port for each peer"},
		{time.Hour, seenAt(1, "192.0.2.8:1", "192.0.2.8:3"), ""},
		{time.Hour, seenAt(1, "192.0.2.8:4"), ""}, // one peer is left
		{time.Hour, nil, ""},
		{time.Hour, seenAt(1, "192.0.2.8:5", "192.0.2.8:6"), ""},
		{time.Hour, seenAt(2, "192.0.2.8:7"), "the same for several peers"},
		{time.Hour, seenAt(1, "192.0.2.8:7"), ""},
		{time.Hour, seenAt(2, "192.0.2.8:8"), "the same for several peers"},
		{time.Hour, seenAt(2, "192.0.2.9:8"), "the same for several peers"},
		{time.Hour, seenAt(1, "192.0.2.9:8", "192.0.2.10:8"), "not known: no two peers can be compared"},
	} {
		now = now.Add(step.after)
		f, told := translationOf(step.seen), ""
		if l.isNews(now, f) {
			told = f.mapping()
		}
		if told != step.told {
			t.Errorf("step %d, %v: told %q, want %q", i, step.seen, told, step.told)
		}
	}
}

// The keeper looks every second; a pool of addresses gives the node another one each time, or another port for each peer.
func TestANATThatChangesAllTheTimeIsToldOfAFewTimesADay(t *testing.T) {
	for name, c := range map[string]struct {
		seen func(i int) []api.Seen
		most int
	}{
		"ports": {func(i int) []api.Seen {
			return seenAt(1, fmt.Sprint("192.0.2.8:", 1000+i%60000), fmt.Sprint("192.0.2.8:", 999+i%60000))
		}, 1},
		"addresses": {func(i int) []api.Seen { return seenAt(2, fmt.Sprintf("192.0.2.%d:1", i%250)) }, 24 + 10},
	} {
		t.Run(name, func(t *testing.T) {
			var l translations
			now, lines := time.Now(), 0
			for i := range 24 * 3600 {
				if now = now.Add(time.Second); l.isNews(now, translationOf(c.seen(i))) {
					lines++
				}
			}
			if lines < 1 || lines > c.most {
				t.Errorf("%d lines in a day, want 1 to %d", lines, c.most)
			}
		})
	}
}
