package sim

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestEventsHappenInOrderAndThoseOfOneTimeAsTheyWereMade(t *testing.T) {
	var e events
	r := rand.New(rand.NewPCG(1, 1))
	made, last := 0, event{at: epoch}
	for range 5000 {
		if r.IntN(3) > 0 || made == 0 {
			e.add(last.at.Add(time.Duration(r.IntN(20))*time.Millisecond), nil)
			made++
			continue
		}
		next, ok := e.next(epoch.Add(time.Hour))
		if !ok || next.before(&last) {
			t.Fatalf("event %d of %v after event %d of %v; there is one: %v", next.seq, next.at, last.seq, last.at, ok)
		}
		last = next
		made--
	}
	if _, ok := e.next(last.at.Add(-time.Nanosecond)); ok {
		t.Error("an event that is not due yet was taken out")
	}
}
