package main

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/node/api"
)

func TestPeersShowsHowTheEndpointsOfAPeerCompare(t *testing.T) {
	var out strings.Builder
	peers := []api.Peer{{Name: "vm-2", State: api.StateUp, EndpointWhy: "it answered first", Candidates: []api.Candidate{
		{Endpoint: netip.MustParseAddrPort("192.0.2.2:9338"), InUse: true, RTT: 1500},
		{Endpoint: netip.MustParseAddrPort("[2001:db8::2]:9338"), RTT: 1400, Silent: time.Now().Add(-3 * time.Minute)},
		{Endpoint: netip.MustParseAddrPort("10.0.0.2:9338")},
	}}}
	if err := printPeers(&out, peers); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"endpoints of vm-2:\n", "  192.0.2.2:9338: 1.5ms; in use: it answered first\n", "  [2001:db8::2]:9338: no answer for 3m",
		"  10.0.0.2:9338: not asked yet\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
}
