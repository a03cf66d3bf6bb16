package encap

import (
	"testing"
	"time"
)

func TestASessionCountsItsKeysAndRekeys(t *testing.T) {
	a, b := pair(t)
	if got := a.History(); got != (History{}) {
		t.Errorf("before the first handshake: %+v", got)
	}
	establish(t, a, b, start)
	for side, n := range map[string]*node{"initiator": a, "responder": b} {
		if got, want := n.History(), (History{Keys: 1, Last: start}); got != want {
			t.Errorf("%s after the first handshake: %+v, want %+v", side, got, want)
		}
	}
	later := start.Add(2 * time.Minute)
	establish(t, a, b, later)
	if got, want := a.History(), (History{Keys: 2, Rekeys: 1, Last: later}); got != want {
		t.Errorf("after a rekey: %+v, want %+v", got, want)
	}
	b.Close()
	establish(t, a, b, later.Add(time.Second))
	if got, want := b.History(), (History{Keys: 3, Rekeys: 1, Last: later.Add(time.Second)}); got != want {
		t.Errorf("after keys were lost: %+v, want %+v", got, want)
	}
}
