package alive

import (
	"testing"
	"time"

	"github.com/weftnet/weft/trust"
)

func callee(n int) trust.Fingerprint { return trust.Fingerprint{byte(n), byte(n >> 8)} }

func fullWindow() (Window, time.Time) {
	w, now := NewWindow(Timing{}.WithDefaults()), time.Unix(1000, 0)
	for n := range MaxCalls {
		w.Begin(callee(n), now)
	}
	return w, now
}

func TestAFullWindowHasRoomWhenACallEnds(t *testing.T) {
	w, now := fullWindow()
	if w.Room(now) {
		t.Fatalf("room for more than %d calls", MaxCalls)
	}
	w.End(callee(3))
	if !w.Room(now) {
		t.Error("no room though a call has ended")
	}
}

// Peers that are gone do not keep others from being called.
func TestACallThatNobodyAnswersLeavesTheWindow(t *testing.T) {
	w, now := fullWindow()
	next := w.Next(now)
	if want := now.Add(w.Timeout(now)); !next.Equal(want) {
		t.Errorf("room in %v, want %v", next.Sub(now), want.Sub(now))
	}
	if w.Room(next.Add(-time.Nanosecond)) || !w.Room(next) {
		t.Error("room too early, or not then")
	}
}

func TestTheTimeoutFollowsHowLongAnswersTake(t *testing.T) {
	w, now := NewWindow(Timing{}.WithDefaults()), time.Unix(1000, 0)
	answer := func(times int, took time.Duration) time.Duration {
		for range times {
			now = now.Add(10 * time.Millisecond)
			w.Answered(now.Add(-took), now)
		}
		return w.Timeout(now)
	}
	if got := w.Timeout(now); got != 250*time.Millisecond {
		t.Errorf("%v before any answer, want CallMin", got)
	}
	if got := answer(1, time.Second); got != 3*time.Second {
		t.Errorf("%v after an answer that took 1 s, want 3 s (RFC 6298, 2.2)", got)
	}
	if got := answer(40, time.Second); got < time.Second || got > 1100*time.Millisecond {
		t.Errorf("%v after many that took as long, want little more than they took", got)
	}
	if got := answer(10, time.Minute); got != 5*time.Second {
		t.Errorf("%v after answers that took a minute, want CallMax", got)
	}
	if got := answer(100, time.Millisecond); got != 250*time.Millisecond {
		t.Errorf("%v after many fast ones, want CallMin", got)
	}
}

func TestTheTimeoutForgetsAnswersOfLongAgo(t *testing.T) {
	w, now := NewWindow(Timing{}.WithDefaults()), time.Unix(1000, 0)
	w.Answered(now.Add(-time.Second), now)
	if got := w.Timeout(now.Add(windowMemory)); got != 250*time.Millisecond {
		t.Errorf("%v, want CallMin", got)
	}
}

// Nodes that have each other to call, and time for few, are a queue that answers in turn. With the window all calls are answered, and few
// are made twice.
func TestCallsOfAWindowAreAnsweredHoweverSlowThePeersAre(t *testing.T) {
	const (
		calls = 2000
		each  = 20 * time.Millisecond // for an answer, one after the other
	)
	w, now := NewWindow(Timing{}.WithDefaults()), time.Unix(1000, 0)
	type call struct {
		n       int
		at, due time.Time
	}
	var queue []call
	done, last, made := map[int]bool{}, map[int]time.Time{}, 0
	free := now
	for deadline := now.Add(2 * calls * each); len(done) < calls && now.Before(deadline); now = now.Add(time.Millisecond) {
		for len(queue) > 0 && !queue[0].due.After(now) {
			c := queue[0]
			queue = queue[1:]
			if !done[c.n] {
				done[c.n] = true
				w.End(callee(c.n))
				w.Answered(c.at, now)
			}
		}
		for n := 0; n < calls && w.Room(now); n++ {
			if done[n] || !last[n].IsZero() && now.Sub(last[n]) < w.Timeout(now) {
				continue
			}
			w.Begin(callee(n), now)
			last[n], made = now, made+1
			free = latest(free, now).Add(each)
			queue = append(queue, call{n, now, free})
		}
	}
	if len(done) < calls || made > calls+calls/10 {
		t.Errorf("%d of %d calls were answered, %d were made", len(done), calls, made)
	}
}
