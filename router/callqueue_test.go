package router

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/weftnet/weft/router/alive"
)

// knowing is a node by hand that knows many others and has called none yet.
func knowing(t *testing.T, others int) *side {
	a := hand(t, 1, byHand{})
	sides := []*side{a}
	for i := range others {
		sides = append(sides, newSide(t, i+2))
	}
	a.router.setTable(a.table(sides...))
	return a
}

func TestNoMoreCallsAreMadeThanTheWindowHasRoomFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := knowing(t, alive.MaxCalls+8)
		r := a.router
		r.step()
		if n := len(r.curve.calls); n != alive.MaxCalls {
			t.Fatalf("%d calls, want %d", n, alive.MaxCalls)
		}
		rather, called := 0, 0
		for _, p := range r.peers {
			if p.series > 0 && !r.decides(p) {
				called++
			}
			if p.series == 0 && r.decides(p) {
				rather++
			}
		}
		if called > 0 && rather > 0 {
			t.Errorf("%d are called that may rather call, and %d are not that we are rather to call", called, rather)
		}
	})
}

// The curve work of calls waits for a minute: then each peer has one call there, and no more.
func TestAPeerIsNotCalledAgainWhileACallOfItWaitsToBeMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const peers = alive.MaxCalls + 8
		r := knowing(t, peers).router
		for range 600 {
			r.step()
			time.Sleep(100 * time.Millisecond)
		}
		if n := len(r.curve.calls); n != peers {
			t.Errorf("%d calls of %d peers wait", n, peers)
		}
	})
}

// Where all mailboxes are full, something of each is taken in a turn.
func TestATurnOfControlTakesOfEachMailbox(t *testing.T) {
	a, b := hand(t, 1, byHand{}), hand(t, 2, byHand{})
	introduce(t, a, b)
	r := a.router
	calls := 0
	for range cap(r.calls) {
		r.calls <- func() { calls++ }
	}
	results := 0
	for range cap(r.curve.done) {
		r.curve.done <- func() { results++ }
	}
	for range cap(r.hearsay) {
		r.hearsay <- message{frame: make([]byte, 100)}
	}
	for range cap(r.handshakes) {
		r.handshakes <- message{frame: make([]byte, 100)}
	}
	if !r.takeTurn() {
		t.Fatal("nothing was taken")
	}
	hearsay, answers := cap(r.hearsay)-len(r.hearsay), cap(r.handshakes)-len(r.handshakes)
	if results != turnResults || calls != turnCalls || hearsay != turnHearsay || answers != turnAnswers {
		t.Errorf("%d results, %d calls, %d frames of gossip and %d answers were taken", results, calls, hearsay, answers)
	}
}
