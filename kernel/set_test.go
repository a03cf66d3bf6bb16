package kernel

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestSetMakesTheHostAsWanted(t *testing.T) {
	n := withDevice(t)
	changes := n.set(dualStack())
	if got := n.table(); !slices.Equal(sorted(got), sorted(dualStackTable)) {
		t.Errorf("routes:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(dualStackTable, "\n"))
	}
	shown := n.ip("addr show dev weft0")
	for _, want := range []string{"mtu 1440", ",UP", "inet 10.244.1.1/32 scope global noprefixroute", "inet6 fd00:244:0:1::1/128 scope global nodad noprefixroute"} {
		if !strings.Contains(shown, want) {
			t.Errorf("%q is missing in\n%s", want, shown)
		}
	}
	if !changes.Any() || !strings.Contains(changes[0].What, "10.244.0.0/16") {
		t.Errorf("changes = %v, want the network's unreachable route first", changes)
	}
}

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }

func TestSetTwiceChangesNothingTheSecondTime(t *testing.T) {
	n := withDevice(t)
	n.set(dualStack())
	n.settled(dualStack())
}

func TestWhatSomebodyTakesAwayIsPutBack(t *testing.T) {
	for _, damage := range []string{
		"addr del 10.244.1.1/32 dev weft0",
		"addr del fd00:244:0:1::1/128 dev weft0",
		"addr flush dev weft0",
		"route del 10.244.2.0/24",
		"-6 route del fd00:244:0:2::/64",
		"route del unreachable 10.244.0.0/16",
		"-6 route del unreachable fd00:244::/48",
		"route del unreachable 10.244.1.0/24",
		"route flush proto 157",
		"-6 route flush proto 157",
		"link set weft0 down",
		"link set weft0 mtu 1300",
		"link set weft0 mtu 900", // the kernel stops IPv6 there
		"link set weft0 mtu 9000",
		"route change 10.244.2.0/24 dev weft0 proto 157 metric 1000 mtu 900",
		"-6 route change fd00:244:0:2::/64 dev weft0 proto 157 metric 1000 mtu 1290",
		"route replace unreachable 10.244.2.0/24 proto 157 metric 1000",
	} {
		t.Run(damage, func(t *testing.T) {
			n := withDevice(t)
			n.set(dualStack())
			n.ip(damage)
			if changes := n.set(dualStack()); !changes.Any() {
				t.Error("Set says that it changed nothing")
			}
			n.isDualStack()
			n.settled(dualStack())
		})
	}
}

// isDualStack fails the test unless the namespace is as dualStack wants it, and holds nothing else.
func (n *namespace) isDualStack() {
	n.t.Helper()
	if got := n.table(); !slices.Equal(sorted(got), sorted(dualStackTable)) {
		n.t.Errorf("routes:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(dualStackTable, "\n"))
	}
	shown := n.ip("addr show dev weft0")
	if !strings.Contains(shown, "mtu 1440") || !strings.Contains(shown, ",UP") ||
		!strings.Contains(shown, "10.244.1.1/32") || !strings.Contains(shown, "fd00:244:0:1::1/128") || strings.Count(shown, "inet") != 2 {
		n.t.Errorf("device:\n%s", shown)
	}
}

func TestLeftoversOfACrashedRunAreAdoptedOrRemoved(t *testing.T) {
	n := withDevice(t)
	old := dualStack()
	old.Addresses = addrs("10.244.9.1", "fd00:244:0:9::1")
	old.Own = prefixes("10.244.9.0/24", "fd00:244:0:9::/64")
	old.Routes = append(old.Routes, Route{Prefix: prefixes("10.244.7.0/24")[0]}, Route{Prefix: prefixes("fd00:244:0:7::/64")[0]})
	n.set(old)

	n.host = newHost(t) // the next run knows nothing of the first
	changes := n.set(dualStack())
	n.isDualStack()
	if strings.Contains(changes.String(), "unreachable 10.244.0.0/16") {
		t.Errorf("the network's route was not adopted: %v", changes)
	}
	n.settled(dualStack())
}

func TestLeftoversOfAnotherNetworkAreRemoved(t *testing.T) {
	n := withDevice(t)
	old := dualStack()
	old.Network = prefixes("10.99.0.0/16", "fd00:99::/48")
	n.set(old)
	n.set(dualStack())
	n.isDualStack()
}

func TestAnAddressAddedToTheDeviceByHandIsRemovedWithItsRoutes(t *testing.T) {
	n := withDevice(t)
	n.set(dualStack())
	n.ip("addr add 10.244.1.1/24 dev weft0")
	n.ip("addr add fd00:244:0:1::1234/64 dev weft0 nodad")
	n.set(dualStack())
	n.isDualStack()
}

func TestChangesOfMTUAndSourceLeaveOneRouteEach(t *testing.T) {
	n := withDevice(t)
	n.set(dualStack())
	want := dualStack()
	want.Addresses = addrs("10.244.1.9", "fd00:244:0:1::9")
	for i := range want.Routes {
		want.Routes[i].MTU = 1400
	}
	n.set(want)
	n.hasRoute("10.244.2.0/24 dev weft0 proto 157 scope link src 10.244.1.9 metric 1000 mtu 1400")
	n.hasRoute("fd00:244:0:2::/64 dev weft0 proto 157 src fd00:244:0:1::9 metric 1000 mtu 1400 pref medium")
	if got, want := len(n.table()), len(dualStackTable); got != want {
		t.Errorf("%d routes, want %d:\n%s", got, want, strings.Join(n.table(), "\n"))
	}
	n.settled(want)
}

func TestForgottenMTUIsRemovedFromTheRoute(t *testing.T) {
	n := withDevice(t)
	n.set(dualStack())
	want := dualStack()
	want.Routes = []Route{{Prefix: prefixes("10.244.2.0/24")[0]}, {Prefix: prefixes("fd00:244:0:2::/64")[0]}}
	n.set(want)
	n.hasRoute("10.244.2.0/24 dev weft0 proto 157 scope link src 10.244.1.1 metric 1000")
	n.hasRoute("fd00:244:0:2::/64 dev weft0 proto 157 src fd00:244:0:1::1 metric 1000 pref medium")
}

func TestWithoutAnAddressRoutesHaveNoSource(t *testing.T) {
	n := withDevice(t)
	want := dualStack()
	want.Addresses = addrs("10.244.1.1")
	n.set(want)
	n.hasRoute("10.244.2.0/24 dev weft0 proto 157 scope link src 10.244.1.1 metric 1000 mtu 1440")
	n.hasRoute("fd00:244:0:2::/64 dev weft0 proto 157 metric 1000 mtu 1440 pref medium")
	n.settled(want)
}

func TestASecondRouteOfOursOnTheSamePrefixAndMetricIsRemoved(t *testing.T) {
	n := withDevice(t)
	n.set(dualStack())
	n.ip("route append unreachable 10.244.2.0/24 proto 157 metric 1000")
	n.ip("-6 route append unreachable fd00:244:0:2::/64 proto 157 metric 1000")
	n.set(dualStack())
	n.isDualStack()
}

func TestUnwantedPeersLoseTheirRoutesOnly(t *testing.T) {
	n := withDevice(t)
	n.set(dualStack())
	want := dualStack()
	want.Routes = want.Routes[:2]
	changes := n.set(want)
	if len(changes) != 2 || changes[0].Op != Removed || changes[1].Op != Removed {
		t.Errorf("changes = %v, want two removed", changes)
	}
	n.hasNoRoute("10.244.3.0")
	n.hasNoRoute("fd00:244:0:3:")
}

func TestRoutesOfAnEarlierRunStayWhileTheyAreKept(t *testing.T) {
	n := withDevice(t)
	n.set(dualStack())
	want := dualStack()
	want.Routes, want.KeepRoutes = nil, true
	n.settled(want)
	n.isDualStack()
	want.KeepRoutes = false
	n.set(want)
	n.hasNoRoute("10.244.3.0")
	n.hasNoRoute("fd00:244:0:3:")
}

func TestAMovedSubnetLosesThePeerRoute(t *testing.T) {
	n := withDevice(t)
	n.set(dualStack())
	want := dualStack()
	want.Own = prefixes("10.244.2.0/24", "fd00:244:0:2::/64")
	want.Addresses = addrs("10.244.2.1", "fd00:244:0:2::1")
	want.Routes = nil
	n.set(want)
	if got := len(n.table()); got != 4 {
		t.Errorf("%d routes, want the 4 unreachable ones:\n%s", got, strings.Join(n.table(), "\n"))
	}
	n.settled(want)
}

func TestHostileMTUsOfRoutesSettleAtOnce(t *testing.T) {
	n := withDevice(t)
	want := dualStack()
	for i, mtu := range []OverlayMTU{-59, 40, 65530, 1 << 20} {
		want.Routes[i%len(want.Routes)].MTU = mtu
	}
	n.set(want)
	n.settled(want)
}

func TestADeviceThatIsNotOursGetsNothing(t *testing.T) {
	n := withDevice(t)
	n.ip("link del " + device)
	n.ip("link add " + device + " type veth peer name other")
	if _, err := n.host.Set(dualStack()); !errors.Is(err, ErrNoDevice) {
		t.Errorf("Set = %v, want ErrNoDevice", err)
	}
	if shown := n.ip("address show dev " + device); strings.Contains(shown, "10.244.") {
		t.Errorf("it got an address:\n%s", shown)
	}
}

func TestASubnetIsInUseWhenAnotherInterfaceHasAnAddressOfIt(t *testing.T) {
	n := withDevice(t)
	n.set(dualStack())
	if n.host.InUse(dualStack().Own, device) {
		t.Error("in use although only the device has an address of it")
	}
	n.ip("link add pods type bridge")
	n.ip("address add 10.244.1.1/24 dev pods")
	if !n.host.InUse(dualStack().Own, device) {
		t.Error("not in use although a bridge has an address of it")
	}
}
