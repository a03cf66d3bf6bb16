package kernel

import (
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
