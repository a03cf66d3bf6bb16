package main

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/weftnet/weft/node/api"
)

func TestANetworkBehindTheNodeIsShownWithWhoStandsInForIt(t *testing.T) {
	for want, b := range map[string]api.Behind{
		"active":                    {Role: api.RoleActive, Active: "vm-1"},
		"active, standby vm-2 vm-3": {Role: api.RoleActive, Active: "vm-1", Standby: []string{"vm-2", "vm-3"}},
		"active, standby vm-1 (in the place of vm-1: it is not reached)": {
			Role: api.RoleActive, Active: "vm-2", Standby: []string{"vm-1"}, Reason: "in the place of vm-1: it is not reached"},
		"standby, vm-1 is active (vm-1 comes first)": {
			Role: api.RoleStandby, Active: "vm-1", Standby: []string{"vm-2"}, Reason: "vm-1 comes first"},
		"not carried": {Standby: []string{}},
	} {
		if got := behindText(b); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestRoutesAreShownWithRoleAndReason(t *testing.T) {
	lan := netip.MustParsePrefix("172.20.0.0/24")
	var out strings.Builder
	err := printRoutes(&out, []api.Route{
		{Prefix: netip.MustParsePrefix("10.244.1.0/24"), Owner: "vm-1", Kind: "own", Type: "subnet", State: "in force"},
		{Prefix: lan, Owner: "vm-2", Kind: "peer", Type: "route", Role: api.RoleActive, State: "in force", Via: "weft0", MTU: 1440},
		{Prefix: lan, Owner: "vm-3", Kind: "peer", Type: "route", Role: api.RoleStandby, State: "standby", Reason: "vm-2 comes first"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := strings.TrimPrefix(`
PREFIX         OWNER  KIND  TYPE    ROLE     STATE     VIA    MTU   REASON
10.244.1.0/24  vm-1   own   subnet  -        in force  -      -     
172.20.0.0/24  vm-2   peer  route   active   in force  weft0  1440  
172.20.0.0/24  vm-3   peer  route   standby  standby   -      -     vm-2 comes first
`, "\n")
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}
