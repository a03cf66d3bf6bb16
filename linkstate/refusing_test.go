package linkstate

import (
	"slices"
	"testing"
	"time"

	"github.com/weftnet/weft/trust"
)

// Node 0 is linked to 1, 1 to 2, and 2, 4 and 5 to 3; nobody else to 4 and 5.
func TestOfTheNodesThatRefuseThoseAreNamedThatWouldLeadToAnother(t *testing.T) {
	w := newWorld(t, 6, 1)
	for _, link := range [][2]int{{0, 1}, {1, 2}, {2, 3}, {3, 4}, {3, 5}} {
		w.set(link[0], link[1], 10*time.Millisecond, 0)
	}
	refuse := func(policy Policy, nodes ...int) {
		for _, i := range nodes {
			w.nodes[i].policy = policy
			w.nodes[i].engine.SetPolicy(policy)
		}
		agree(t, w, 10*time.Second)
	}
	must := func(what string, dst int, want ...int) {
		t.Helper()
		var ids []trust.Fingerprint
		for _, i := range want {
			ids = append(ids, w.nodes[i].id.Fingerprint())
		}
		if got := w.nodes[0].engine.Refusing(w.nodes[dst].id.Fingerprint()); !slices.Equal(got, ids) {
			t.Errorf("%s: to %d %v refuse, want %v", what, dst, got, ids)
		}
	}
	agree(t, w, 10*time.Second)
	must("all relay", 3)
	refuse(RefuseRelay, 2, 4, 5)
	must("2, 4 and 5 refuse: 4 and 5 are not reached", 3, 2)
	must("to a neighbour of one that relays", 2)
	must("to itself", 0)
	refuse(RefuseRelay, 1)
	must("1 refuses as well: 2 is not reached", 3)
	must("1 is reached straight", 2, 1)
	refuse(AllowRelay, 1, 2)
	must("1 and 2 relay again", 3)
}
