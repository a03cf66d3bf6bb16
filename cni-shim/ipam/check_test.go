package ipam

import (
	"fmt"
	"strings"
	"testing"
)

func held(container, end string, a ...string) Record {
	return Record{Key: Key{container, "eth0"}, Pod: Pod{"default", container}, HostEnd: end, Addresses: addrs(a...), State: Held}
}

func TestABookThatAgreesWithTheKernelHasNoFinding(t *testing.T) {
	gone := held("gone", "wv00000000009", "10.9.9.9")
	gone.State = Released
	records := []Record{held("a", "wv0123456789a", "10.0.0.2", "fd00::2"), gone}
	interfaces := map[string]bool{"wv0123456789a": true, "lo": true, "wvlan0": true, "wv0123456789A": true}
	for _, subnets := range [][]string{nil, {"10.0.0.0/24", "fd00::/64"}} {
		if got := Check(records, interfaces, prefixes(subnets...)); len(got) > 0 {
			t.Errorf("%v: %v", subnets, got)
		}
	}
}

func TestEveryContradictionIsALineOfItsOwn(t *testing.T) {
	records := []Record{
		held("a", "wv00000000001", "10.0.0.2", "fd00::2"),
		held("b", "wv00000000002", "10.0.0.2"),
		held("c", "wv00000000003", "10.1.0.7"),
	}
	interfaces := map[string]bool{"wv00000000001": true, "wv00000000003": true, "wv00000000004": true}
	got := Check(records, interfaces, prefixes("10.0.0.0/24", "fd00::/64"))
	want := []string{
		"10.0.0.2: held by default/b (b/eth0), whose host end wv00000000002 does not exist",
		"10.1.0.7: held by default/c (c/eth0), outside of this node's subnets 10.0.0.0/24 and fd00::/64",
		"10.0.0.2: held by default/a (a/eth0) and by default/b (b/eth0)",
		"wv00000000004: a host end without an address in the book",
	}
	if len(got) != len(want) {
		t.Fatalf("%d findings: %v", len(got), got)
	}
	for i, w := range want {
		if text := got[i].String(); !strings.HasPrefix(text, w) || strings.Contains(text, "\n") {
			t.Errorf("%q, want %q", text, w)
		}
	}
}

func TestUsageCountsWhatIsHeldAndWhatRests(t *testing.T) {
	rests := held("b", "", "10.0.0.3", "fd00::3")
	rests.State = Released
	got := UsageOf(prefixes("10.0.0.0/24", "fd00::/64", "10.9.0.4/32"), []Record{held("a", "", "10.0.0.2", "10.0.0.4", "fd00::2"), rests, held("c", "", "10.7.0.1")})
	want := fmt.Sprint([]Usage{
		{prefixes("10.0.0.0/24")[0], addrs("10.0.0.1")[0], 253, 2, 1},
		{prefixes("fd00::/64")[0], addrs("fd00::1")[0], MaxCapacity, 1, 1},
		{prefixes("10.9.0.4/32")[0], addrs("10.9.0.4")[0], 0, 0, 0},
	})
	if fmt.Sprint(got) != want {
		t.Errorf("%v, want %s", got, want)
	}
}
