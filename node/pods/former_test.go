package pods

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
)

func TestAFormerSubnetStaysUntilItsLastPodHasEnded(t *testing.T) {
	b := newBench(t)
	b.set(own("10.244.1.0/24"), LeaseWritten)
	b.add("a")
	b.keep()
	b.restart() // with another subnet
	if list, err := b.Former([]netip.Prefix{prefix("10.244.7.0/24")}); err != nil || !slices.Equal(list, []netip.Prefix{prefix("10.244.1.0/24")}) {
		t.Errorf("at the start: %v, %v", list, err)
	}
	b.set(own("10.244.7.0/24"), LeaseWritten)
	b.keep()
	b.add("b")
	b.keep()
	want := []netip.Prefix{prefix("10.244.1.1/24"), prefix("10.244.7.1/24")}
	if r := b.Report(); !slices.Equal(r.Former, []Former{{prefix("10.244.1.0/24"), 1}}) || !slices.Equal(b.host.bridge.Gateways, want) {
		t.Errorf("%+v, gateways %v", r, b.host.bridge.Gateways)
	}
	if err := b.host.RemoveBridge(); err != nil {
		t.Fatal(err)
	}
	b.keep()
	if !slices.Equal(b.host.bridge.Gateways, want) {
		t.Errorf("after the bridge was removed: gateways %v", b.host.bridge.Gateways)
	}
	b.del("a")
	b.keep()
	done := b.keep()
	if !slices.Equal(b.host.bridge.Gateways, want[1:]) || len(done.Ended) != 1 || len(b.Report().Former) != 0 {
		t.Errorf("%+v, gateways %v, %+v", done, b.host.bridge.Gateways, b.Report())
	}
}

func TestFormerSubnetsMayBeAskedForWhileTheLeaseChanges(t *testing.T) {
	b := newBench(t)
	b.set(own("10.244.1.0/24"), LeaseWritten)
	b.add("a")
	asked := make(chan error, 1)
	go func() {
		for range 50 {
			if list, err := b.Former([]netip.Prefix{prefix("10.244.7.0/24")}); err != nil || len(list) != 1 {
				asked <- fmt.Errorf("%v, %w", list, err)
				return
			}
		}
		asked <- nil
	}()
	for i := range 50 {
		b.set(own(fmt.Sprintf("10.244.%d.0/24", 2+i)), LeaseWritten)
	}
	if err := <-asked; err != nil {
		t.Error(err)
	}
}

func TestPodsOfAFormerSubnetHaveRoutesOfTheirOwnUntilTheyEnd(t *testing.T) {
	b := newBench(t)
	b.set(own("10.244.1.0/24"), LeaseWritten)
	b.add("old")
	b.keep()
	if len(b.host.routes) != 0 || len(b.Report().Routed) != 0 {
		t.Errorf("in the node's own subnet: routes %v", b.host.routes)
	}
	b.set(own("10.244.7.0/24"), LeaseWritten)
	b.add("new")
	b.host.unroutable = errors.New("podnet: set route: not today")
	if done := b.Keep(t.Context()); done.BridgeErr == nil || len(b.Report().Routed) != 0 {
		t.Errorf("without a route: %v, report %+v", done.BridgeErr, b.Report())
	}
	b.host.unroutable = nil
	b.restart()
	b.set(own("10.244.7.0/24"), LeaseAsItWas)
	b.keep()
	if want := []netip.Addr{netip.MustParseAddr("10.244.1.2")}; !slices.Equal(b.host.routes, want) {
		t.Errorf("routes %v, want %v", b.host.routes, want)
	}
	if got := b.Report().Routed; !slices.Equal(got, []netip.Prefix{prefix("10.244.1.0/24")}) {
		t.Errorf("routed: %v", got)
	}
	b.restart()
	if b.keep(); len(b.host.routes) != 1 {
		t.Errorf("after a restart, before the subnets are known: routes %v", b.host.routes)
	}
	b.set(own("10.244.7.0/24"), LeaseAsItWas)
	b.del("old")
	b.keep()
	b.keep()
	if len(b.host.routes) != 0 || len(b.Report().Routed) != 0 {
		t.Errorf("afterwards: routes %v, report %+v", b.host.routes, b.Report())
	}
}
