package node

import (
	"slices"
	"testing"
)

func TestAnErrorNamesTenPeersAtMost(t *testing.T) {
	for n, want := range map[int]string{
		0: "there are none", 2: "there are: vm, vm",
		500: "there are: vm, vm, vm, vm, vm, vm, vm, vm, vm, vm and 490 others, see 'weft peers'",
	} {
		if got := listed(slices.Repeat([]string{"vm"}, n)); got != want {
			t.Errorf("%d: %q", n, got)
		}
	}
}
