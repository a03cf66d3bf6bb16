package router

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/weftnet/weft/router/alive"
)

func TestLagCountsAtOnceAndIsForgottenByAndBy(t *testing.T) {
	var l lag
	now := time.Unix(1000, 0)
	l.note(time.Millisecond, now)
	l.note(800*time.Millisecond, now)
	if got := l.patience(time.Millisecond); got != 800*time.Millisecond || !l.isBehind() {
		t.Errorf("patience %v after a step that was 800 ms late, behind: %v", got, l.isBehind())
	}
	l.noteTrip(3 * time.Second)
	if got := l.patience(time.Millisecond); got != 3*time.Second {
		t.Errorf("patience %v while answers take 3 s", got)
	}
	for range 40 {
		l.note(0, now)
	}
	if got := l.patience(20 * time.Millisecond); got != 20*time.Millisecond || l.isBehind() {
		t.Errorf("patience %v after many steps in time, want the round trip; behind: %v", got, l.isBehind())
	}
	if l.note(time.Hour, now); l.late != lagMost {
		t.Errorf("%v after an hour's stop, want %v", l.late, lagMost)
	}
}

// A node of one peer has one turn a second.
func TestANodeOfFewPeersForgetsItsLagInSeconds(t *testing.T) {
	var l lag
	now := time.Unix(1000, 0)
	l.note(lagMost, now)
	for range 5 {
		now = now.Add(time.Second)
		l.note(0, now)
	}
	if l.isBehind() {
		t.Errorf("%v late 5 s after a stop of %v", l.late, lagMost)
	}
}

// While a node is behind it neither judges links by what it misses, nor by how long it takes.
func TestANodeThatIsBehindMeasuresNoLinks(t *testing.T) {
	a, b := hand(t, 1, byHand{}), hand(t, 2, byHand{})
	introduce(t, a, b)
	r, p := a.router, a.known(b)
	p.rtt = time.Millisecond
	before := p.meter.Loss()
	r.lag.note(time.Second, r.now())
	id := p.probes.next(r.now())
	p.meter.Sent(id, r.now())
	r.takeRoundTrip(p, id, b.endpoint(), 2*time.Second, r.now())
	p.meter.Sent(id+1, r.now())
	r.measure(p, r.now().Add(time.Minute), time.Time{})
	if p.rtt != time.Millisecond || p.meter.Loss() != before || p.meter.Waiting() != 0 {
		t.Errorf("round trip %v, loss %v, %d probes wait", p.rtt, p.meter.Loss(), p.meter.Waiting())
	}
	if got := r.lag.patience(p.rtt); got != 2*time.Second {
		t.Errorf("patience %v, want the 2 s that answers take", got)
	}
}

// That it is late says nothing of what an answer shows: that the peer hears us.
func TestANodeThatIsBehindTakesAnAnswerForOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := hand(t, 1, byHand{}), hand(t, 2, byHand{})
		introduce(t, a, b)
		r, p := a.router, a.known(b)
		time.Sleep(time.Minute)
		r.lag.note(time.Second, r.now())
		if p.link.Challenge(r.now()) != alive.Probe {
			t.Fatal("the peer is not asked")
		}
		r.probeDirect(p, r.now())
		time.Sleep(50 * time.Millisecond)
		r.takeReply(p, b.endpoint(), p.probes.last, r.now())
		if p.link.Missing() {
			t.Error("the peer has answered, and is asked on")
		}
	})
}
