package doctor

import (
	"net/netip"
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/node/api"
)

func TestOnlyPeersOnThisHostsLinksWithoutAnEntryWantAPlace(t *testing.T) {
	f := served()
	f.Peers = []api.Peer{
		{Endpoint: "192.0.2.7:9338"},     // it has an entry
		{Endpoint: "198.51.100.1:9338"},  // behind a gateway
		{Endpoint: "[2001:db8::1]:9338"}, // of the other family
		{Endpoint: ""},                   // not known
		{Endpoint: "relay via vm-2"},     // no address
		{Endpoint: "192.0.2.8:9338", Candidates: []api.Candidate{{Endpoint: netip.MustParseAddrPort("192.0.2.9:9338")}}},
	}
	if got := f.newNeighbours(f.Neighbours[0], unix.AF_INET); got != 2 {
		t.Errorf("%d of IPv4, want 2", got)
	}
	if got := f.newNeighbours(f.Neighbours[1], unix.AF_INET6); got != 1 {
		t.Errorf("%d of IPv6, want 1", got)
	}
}

func TestWhereTheLimitIsNotKnownNeighboursAreNotJudged(t *testing.T) {
	f := served()
	f.Neighbours = [2]Neighbours{{Entries: 5000}}
	if got := checkNeighbours(f); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

func TestTheCountersOfNeighboursAreRead(t *testing.T) {
	const stat = `entries  allocs   destroys hash_grows lookups  hits     res_failed rcv_probes_mcast rcv_probes_ucast periodic_gc_runs forced_gc_runs unresolved_discards table_fulls
00000412 0000bc8e 0000c037 00000004   0004d8c6 0001077f 000002e3   00000000         00000000         00000b3f         00016313       00000076            0000000f
00000412 0000a76a 0000a3bf 00000005   0003feb9 0000c01e 0000021a   00000000         00000000         00000000         000167ed       0000001b            00000002
`
	if entries, fulls := parseNeighbourStat(stat); entries != 0x412 || fulls != 17 {
		t.Errorf("%d entries, full %d times", entries, fulls)
	}
	for _, text := range []string{"", "entries", "x\ny", "entries\n1 2 3\n"} {
		if entries, fulls := parseNeighbourStat(text); entries > 1 || fulls != 0 {
			t.Errorf("%q: %d entries, full %d times", text, entries, fulls)
		}
	}
}

func TestThisMachinesNeighboursAreRead(t *testing.T) {
	if _, err := os.Stat("/proc/net/stat/arp_cache"); err != nil {
		t.Skip("not in the host's network namespace")
	}
	if n := neighbourFamilies[0].read(); n.Limit == 0 || n.Entries < 0 {
		t.Errorf("%+v", n)
	}
	if slices.ContainsFunc(readOnLink(), func(p netip.Prefix) bool { return !p.IsValid() }) {
		t.Errorf("%v", readOnLink())
	}
}
