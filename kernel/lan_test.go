package kernel

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
)

func TestALANIsReachedByARouteOfTheHostsOwn(t *testing.T) {
	lan := prefixes("172.20.0.0/16", "2001:db8:20::/48")
	for name, test := range map[string]struct {
		setup []string
		want  []netip.Prefix // unreached
	}{
		"no route":             {nil, lan},
		"only default routes":  {[]string{"route add default via 192.0.2.1", "-6 route add default via 2001:db8::1"}, lan},
		"the same":             {[]string{"route add 172.20.0.0/16 via 192.0.2.1", "-6 route add 2001:db8:20::/48 via 2001:db8::1"}, nil},
		"a part":               {[]string{"route add 172.20.7.0/24 via 192.0.2.1"}, lan[1:]},
		"a wider one":          {[]string{"route add 172.16.0.0/12 via 192.0.2.1"}, lan[1:]},
		"an interface in it":   {[]string{"addr add 172.20.0.1/24 dev eth0"}, lan[1:]},
		"a blackhole":          {[]string{"route add blackhole 172.20.0.0/16"}, lan},
		"a route of weft":      {[]string{"route add 172.20.0.0/16 dev weft0 proto 157 metric 1000"}, lan},
		"a route to weft0":     {[]string{"route add 172.20.0.0/16 dev weft0"}, lan},
		"another one":          {[]string{"route add 172.21.0.0/16 via 192.0.2.1"}, lan},
		"without carrier":      {[]string{"addr add 172.20.0.1/24 dev eth0", "link set eth0-far down"}, lan},
		"interface taken down": {[]string{"addr add 172.20.0.1/24 dev eth0", "link set eth0 down"}, lan},
	} {
		t.Run(name, func(t *testing.T) {
			n := withDevice(t)
			n.ip("link set weft0 up")
			n.uplink()
			for _, args := range test.setup {
				n.ip(args)
			}
			n.until("the answer", func() bool { return slices.Equal(n.host.Unreached(lan), test.want) })
		})
	}
}

func TestNoLANsAreAllReached(t *testing.T) {
	if got := newNamespace(t).host.Unreached(nil); got != nil {
		t.Errorf("unreached %v", got)
	}
}

func TestALANBehindThisHostMayLieInsideTheNetwork(t *testing.T) {
	n := withDevice(t)
	n.uplink()
	n.ip("addr add 10.244.200.1/24 dev eth0")
	n.ip("route add 10.244.201.0/24 via 10.244.200.9")
	want := dualStack()
	want.LANs = prefixes("10.244.200.0/23")
	if err := n.host.CheckNetwork(want.Network, device, want.Own, want.LANs); err != nil {
		t.Error(err)
	}
	n.set(want)
	n.settled(want)
	if err := n.host.CheckNetwork(want.Network, device, want.Own, want.LANs[:0]); !errors.As(err, new(*ConflictError)) {
		t.Errorf("without the LAN: %v, want a conflict", err)
	}
}

// The host's own way to a network is never taken away, whatever its metric, and the conflict is reported.
func TestARouteToALANGivesWayToTheHostsOwn(t *testing.T) {
	lan, six := prefixes("172.20.0.0/16")[0], prefixes("2001:db8:20::/48")[0]
	for _, foreign := range []string{
		"route add 172.20.0.0/16 via 192.0.2.1",
		"route add 172.20.0.0/16 via 192.0.2.1 metric 1024",
		"route add 172.20.0.0/16 via 192.0.2.1 metric 1000",
		"addr add 172.20.0.1/16 dev eth0",
		"route add blackhole 172.20.0.0/16 metric 3000",
	} {
		t.Run(foreign, func(t *testing.T) {
			n := withDevice(t)
			n.uplink()
			n.ip(foreign)
			want := dualStack()
			want.Routes = append(want.Routes, Route{Prefix: lan, MTU: 1400}, Route{Prefix: six, MTU: 1400})
			_, err := n.host.Set(want)
			e := new(ConflictError)
			if !errors.As(err, &e) || e.Foreign != lan || !e.LAN {
				t.Errorf("Set = %v, want a conflict with the host's route", err)
			}
			n.hasNoRoute("172.20.0.0/16 dev weft0")
			n.hasRoute("2001:db8:20::/48 dev weft0 proto 157 src fd00:244:0:1::1 metric 1000 mtu 1400 pref medium")
			if again, _ := n.host.Set(want); again.Any() {
				t.Errorf("a second Set changed: %v", again)
			}
		})
	}
}

func TestARouteToALANLeavesTheHostsNarrowerWaysAlone(t *testing.T) {
	n := withDevice(t)
	n.uplink()
	n.ip("route add 172.20.7.0/24 via 192.0.2.1")
	want := dualStack()
	want.Routes = append(want.Routes, Route{Prefix: prefixes("172.20.0.0/16")[0], MTU: 1400})
	n.set(want)
	n.settled(want)
	n.hasRoute("172.20.0.0/16 dev weft0 proto 157 scope link src 10.244.1.1 metric 1000 mtu 1400")
	n.hasRoute("172.20.7.0/24 via 192.0.2.1 dev eth0")
}

func TestTheConflictWithTheHostsOwnWayReadsAsOneLine(t *testing.T) {
	p := prefixes("172.17.0.0/16")[0]
	e := &ConflictError{Kind: KindRoute, Foreign: p, Interface: "docker0", Network: p, LAN: true}
	want := "route 172.17.0.0/16 of docker0 stands in the way of 172.17.0.0/16, which lies behind a peer: the host keeps its own way there; remove one of the two"
	if e.Error() != want {
		t.Errorf("got  %s\nwant %s", e, want)
	}
}
