package kernel

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestForeignRoutesAndAddressesAreLeftAlone(t *testing.T) {
	n := withDevice(t)
	n.uplink()
	for _, foreign := range []string{
		"route add default via 192.0.2.1",
		"-6 route add default via 2001:db8::1",
		"route add 10.0.0.0/8 via 192.0.2.1",
		"route add 172.16.0.0/16 via 192.0.2.1 proto 157", // another daemon with our number
		"route add blackhole 172.17.0.0/16",
	} {
		n.ip(foreign)
	}
	before := n.table()
	want := dualStack()
	n.set(want)
	n.settled(want)
	want.Routes = nil
	n.set(want)
	if err := n.host.Remove(device, want.Network); err != nil {
		t.Fatal(err)
	}
	if after := n.table(); !slices.Equal(sorted(before), sorted(after)) {
		t.Errorf("before:\n%s\nafter:\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
	}
	if shown := n.ip("addr show eth0"); !strings.Contains(shown, "192.0.2.10/24") || !strings.Contains(shown, "2001:db8::10/64") {
		t.Errorf("eth0:\n%s", shown)
	}
}

func TestForeignRoutesToOurDeviceAreLeftAlone(t *testing.T) {
	n := withDevice(t)
	n.set(dualStack())
	n.ip("route add 10.244.77.0/24 dev weft0")
	n.ip("-6 route add fd00:244:0:77::/64 dev weft0")
	want := dualStack()
	want.Addresses = addrs("10.244.1.9", "fd00:244:0:1::9")
	n.set(want)
	n.settled(want)
	n.hasRoute("10.244.77.0/24 dev weft0 scope link")
	n.hasRoute("fd00:244:0:77::/64 dev weft0 metric 1024 pref medium")
}

func TestRemoveTakesAwayAllOfOurs(t *testing.T) {
	n := withDevice(t)
	n.set(dualStack())
	if err := n.host.Remove(device, dualStack().Network); err != nil {
		t.Fatal(err)
	}
	if left := n.table(); len(left) != 0 {
		t.Errorf("left:\n%s", strings.Join(left, "\n"))
	}
	if shown := n.ip("addr show dev weft0"); strings.Contains(shown, "inet") {
		t.Errorf("addresses are left:\n%s", shown)
	}
	if err := n.host.Remove(device, dualStack().Network); err != nil {
		t.Errorf("a second Remove: %v", err)
	}
}

func TestRemoveWorksWithoutTheDevice(t *testing.T) {
	n := withDevice(t)
	n.set(dualStack())
	n.ip("link del weft0")
	if err := n.host.Remove(device, dualStack().Network); err != nil {
		t.Fatal(err)
	}
	if left := n.table(); len(left) != 0 {
		t.Errorf("left:\n%s", strings.Join(left, "\n"))
	}
}

func TestTwoWeftsOnOneHostLeaveEachOtherAlone(t *testing.T) {
	n := withDevice(t)
	n.addDevice("weft1")
	other := State{
		Device: "weft1", MTU: 1400, Addresses: addrs("10.99.1.1"), Own: prefixes("10.99.1.0/24"),
		Network: prefixes("10.99.0.0/16"), Routes: []Route{{Prefix: prefixes("10.99.2.0/24")[0], MTU: 1400}},
	}
	n.set(other)
	n.set(dualStack())
	n.settled(other)
	n.settled(dualStack())
	if err := n.host.Remove(device, dualStack().Network); err != nil {
		t.Fatal(err)
	}
	n.settled(other)
}

func TestAForeignRouteInsideTheNetworkIsAConflict(t *testing.T) {
	for foreign, conflict := range map[string]bool{
		"route add 10.244.0.0/16 via 192.0.2.1":                               true, // equal
		"route add 10.244.200.0/24 via 192.0.2.1":                             true, // narrower
		"route add 10.244.3.7/32 via 192.0.2.1":                               true, // a host of a peer
		"route add 10.244.2.0/24 via 192.0.2.1 metric 1000":                   true, // in our very place
		"route add blackhole 10.244.66.0/24":                                  true, //
		"route add 10.244.3.0/24 nexthop via 192.0.2.1 nexthop via 192.0.2.2": true,
		"-6 route add fd00:244:0:200::/64 via 2001:db8::1":                    true,
		"-6 route add fd00:244::/48 via 2001:db8::1":                          true,
		"-6 route add fd00:244:0:2::/64 via 2001:db8::1 metric 1000":          true,
		"route add 10.0.0.0/8 via 192.0.2.1":                                  false, // wider
		"route add 10.244.0.0/15 via 192.0.2.1":                               false,
		"route add default via 192.0.2.1":                                     false,
		"route add 10.245.0.0/16 via 192.0.2.1":                               false, // beside
		"route add 10.244.1.5/32 dev eth0":                                    false, // a pod of ours
		"-6 route add fd00::/8 via 2001:db8::1":                               false,
		"-6 route add fd00:244:0:1::5/128 dev eth0":                           false,
	} {
		t.Run(foreign, func(t *testing.T) {
			n := withDevice(t)
			n.uplink()
			n.ip(foreign)
			want := dualStack()
			check := n.host.CheckNetwork(want.Network, device, want.Own, nil)
			changes, err := n.host.Set(want)
			for name, err := range map[string]error{"CheckNetwork": check, "Set": err} {
				var e *ConflictError
				if errors.As(err, &e) != conflict {
					t.Errorf("%s = %v, want a conflict: %v", name, err, conflict)
				}
				if conflict && strings.Contains(err.Error(), "\n") {
					t.Errorf("%s: more than one line: %v", name, err)
				}
			}
			if !strings.Contains(n.ip("addr show dev weft0"), "10.244.1.1/32") || !changes.Any() {
				t.Error("the rest of the state was not set")
			}
			if again, _ := n.host.Set(want); again.Any() {
				t.Errorf("a second Set changed: %v", again)
			}
		})
	}
}

func TestAConflictNamesTheRouteItsInterfaceAndTheNetwork(t *testing.T) {
	n := withDevice(t)
	n.uplink()
	n.ip("route add 10.244.200.0/24 via 192.0.2.1")
	_, err := n.host.Set(dualStack())
	want := "route 10.244.200.0/24 of eth0 lies inside the overlay network 10.244.0.0/16: remove it, or choose another network"
	if err == nil || err.Error() != want {
		t.Errorf("err = %v\nwant  %s", err, want)
	}
}

func TestAForeignRouteInOurPlaceOutsideTheNetworkIsNotOverwritten(t *testing.T) {
	n := withDevice(t)
	n.uplink()
	n.ip("route add 172.20.0.0/16 via 192.0.2.1 metric 1000")
	n.ip("-6 route add 2001:db8:20::/48 via 2001:db8::1 metric 1000")
	want := dualStack()
	want.Routes = append(want.Routes, Route{Prefix: prefixes("172.20.0.0/16")[0], MTU: 1400}, Route{Prefix: prefixes("2001:db8:20::/48")[0], MTU: 1400})
	_, err := n.host.Set(want)
	var e *ConflictError
	if !errors.As(err, &e) || e.Foreign != prefixes("172.20.0.0/16")[0] || e.Interface != "eth0" {
		t.Errorf("Set = %v, want a conflict with 172.20.0.0/16 of eth0", err)
	}
	n.hasRoute("172.20.0.0/16 via 192.0.2.1 dev eth0 metric 1000")
	n.hasRoute("2001:db8:20::/48 via 2001:db8::1 dev eth0 metric 1000 pref medium")
}

func TestAnInterfaceAddressInsideTheNetworkIsAConflict(t *testing.T) {
	for _, c := range []struct {
		what     string
		setup    []string
		conflict bool
	}{
		{"of another interface", []string{"addr add 10.244.77.1/24 dev eth0"}, true},
		{"with a wider subnet", []string{"addr add 10.244.77.1/8 dev eth0"}, true},
		{"IPv6", []string{"addr add fd00:244:0:77::1/64 dev eth0 nodad"}, true},
		{"outside", []string{"addr add 10.1.2.3/8 dev eth0"}, false},
		{"of our device", []string{"addr add 10.244.1.1/32 dev weft0"}, false},
		{"of our device, of an earlier run", []string{"addr add 10.244.9.1/32 dev weft0"}, false},
		{"of a bridge with our overlay address and subnet", []string{"link add weftbr0 type bridge", "link set weftbr0 up", "addr add 10.244.1.1/24 dev weftbr0"}, false},
		{"of a bridge in another subnet", []string{"link add br0 type bridge", "addr add 10.244.7.1/24 dev br0"}, true},
		{"of a bridge with the whole network", []string{"link add br0 type bridge", "addr add 10.244.1.1/16 dev br0"}, true},
		{"of a bridge that weft made for an earlier subnet", []string{"link add weftbr0 type bridge", "link set weftbr0 up alias weft", "addr add 10.244.7.1/24 dev weftbr0"}, false},
		{"of another interface in our own subnet", []string{"addr add 10.244.1.7/24 dev eth0"}, true},
	} {
		t.Run(c.what, func(t *testing.T) {
			n := withDevice(t)
			n.uplink()
			for _, args := range c.setup {
				n.ip(args)
			}
			err := n.host.CheckNetwork(dualStack().Network, device, dualStack().Own, nil)
			var e *ConflictError
			if errors.As(err, &e) != c.conflict {
				t.Fatalf("CheckNetwork = %v, want a conflict: %v", err, c.conflict)
			}
			if c.conflict && (e.Kind != KindAddress || strings.Contains(err.Error(), "\n")) {
				t.Errorf("CheckNetwork = %v", err)
			}
		})
	}
}

func TestCheckNetworkNeedsNoDevice(t *testing.T) {
	n := newNamespace(t)
	if err := n.host.CheckNetwork(dualStack().Network, device, nil, nil); err != nil {
		t.Error(err)
	}
}

func TestABridgeOfAnEarlierRunIsNoConflictForANodeThatDoesNotKnowItsSubnetYet(t *testing.T) {
	n := withDevice(t)
	n.set(dualStack())
	n.ip("link add weftbr0 type bridge")
	n.ip("link set weftbr0 up")
	n.ip("addr add 10.244.1.1/24 dev weftbr0")
	n.ip("addr add fd00:244:0:1::1/64 dev weftbr0 nodad")
	if err := n.host.CheckNetwork(dualStack().Network, device, nil, nil); err != nil {
		t.Error(err)
	}
}

func TestABridgeOverOurSubnetIsNoConflictForSet(t *testing.T) {
	n := withDevice(t)
	n.ip("link add weftbr0 type bridge")
	n.ip("link set weftbr0 up")
	n.ip("addr add 10.244.1.1/24 dev weftbr0")
	n.ip("addr add fd00:244:0:1::1/64 dev weftbr0 nodad")
	n.set(dualStack())
	n.settled(dualStack())
}

func TestRemoveTouchesNoInterfaceThatIsNotOurs(t *testing.T) {
	n := newNamespace(t)
	n.ip("link add eth0 type veth peer name other")
	n.ip("address add 192.168.77.3/24 dev eth0")
	if err := n.host.Remove("eth0", prefixes("10.244.0.0/16")); err == nil {
		t.Error("no error")
	}
	if shown := n.ip("address show dev eth0"); !strings.Contains(shown, "192.168.77.3/24") {
		t.Errorf("the address is gone:\n%s", shown)
	}
}

func TestADeviceOfAnEarlierNameIsNamedWithItsRemedy(t *testing.T) {
	n := withDevice(t)
	n.set(dualStack())
	err := n.host.CheckNetwork(dualStack().Network, "weft5", nil, nil)
	if err == nil || !strings.Contains(err.Error(), "weft down --device "+device) {
		t.Errorf("err = %v", err)
	}
}
