package main

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/weftnet/weft/node/api"
)

func TestStatusSaysOfPodsWhatMatters(t *testing.T) {
	subnets := []api.PodSubnet{
		{Subnet: netip.MustParsePrefix("10.244.1.0/24"), Capacity: 253, Held: 3}, {Subnet: netip.MustParsePrefix("fd10:244:0:1::/64"), Capacity: 1<<53 - 1, Held: 3},
	}
	for what, c := range map[string]struct {
		pods api.Pods
		want []string
	}{
		"an older daemon": {api.Pods{}, nil},
		"a host without":  {api.Pods{Leased: true, Subnets: subnets, Guard: "off"}, nil},
		"none can start":  {api.Pods{Reason: "it has no subnet"}, []string{"none can start: it has no subnet"}},
		"some live, guarded": {api.Pods{Leased: true, Held: 3, Quarantined: 1, Subnets: subnets, Bridge: "weftbr0", Guard: "on"}, []string{
			"3, and 1 ended a moment ago; addresses: 3 of 253 in 10.244.1.0/24, 3 of more than 10^15 in fd10:244:0:1::/64",
			"bridge weftbr0, guarded: none can use addresses that are not its own",
		}},
		"in a former subnet, unguarded": {api.Pods{Leased: true, Held: 1, Subnets: subnets[:1], Bridge: "weftbr0", Guard: "none", GuardReason: "no nf_tables",
			Former: []api.FormerSubnet{{Subnet: netip.MustParsePrefix("10.244.9.0/24"), Pods: 1}}}, []string{
			"1, and 0 ended a moment ago; addresses: 3 of 253 in 10.244.1.0/24",
			"1 in 10.244.9.0/24, which is not this node's own any more",
			"bridge weftbr0, not guarded: no nf_tables",
		}},
	} {
		if got := podsText(&c.pods); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", what, got, c.want)
		}
	}
}
