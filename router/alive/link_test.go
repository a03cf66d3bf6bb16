package alive

import (
	"testing"
	"time"
)

// linkSim drives a link with a virtual clock: answers says whether a probe sent now is answered at once.
type linkSim struct {
	link    Link
	now     time.Time
	heard   time.Time
	carried time.Time
	probes  []time.Time
	calls   []time.Time
	downAt  time.Time
}

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func newLinkSim() *linkSim {
	s := &linkSim{now: epoch, heard: epoch}
	s.link = NewLink(Timing{}.WithDefaults(), func(time.Duration) time.Duration { return 0 })
	s.link.Rise()
	return s
}

// run advances to end in steps of 10 ms; answers and busy are asked at every step.
func (s *linkSim) run(d time.Duration, answers, busy func() bool) {
	for end := s.now.Add(d); s.now.Before(end); s.now = s.now.Add(10 * time.Millisecond) {
		if busy() {
			s.carried = s.now
		}
		switch s.link.Step(s.now, s.heard, s.carried, 0) {
		case Probe:
			s.probes = append(s.probes, s.now)
			if answers() {
				s.heard = s.now
			}
		case Call:
			s.calls = append(s.calls, s.now)
		case Declare:
			s.downAt = s.now
			s.link.Fall(s.now, 0)
		}
	}
}

func always() bool { return true }
func never() bool  { return false }

func TestIdlePathIsProbedEvery15Seconds(t *testing.T) {
	s := newLinkSim()
	s.run(61*time.Second, always, never)
	if len(s.probes) != 4 {
		t.Errorf("%d probes in 61 s, want 4", len(s.probes))
	}
}

func TestBusyPathIsProbedEveryHalfSecondWhenNothingIsHeard(t *testing.T) {
	s := newLinkSim()
	s.run(5*time.Second+10*time.Millisecond, always, always)
	if len(s.probes) != 10 {
		t.Errorf("%d probes in 5 s, want 10", len(s.probes))
	}
}

func TestPathIsDeclaredDownWithin2SecondsOfTheLastFrameUnderTraffic(t *testing.T) {
	s := newLinkSim()
	s.run(3*time.Second, never, always)
	if s.downAt.IsZero() {
		t.Fatal("the path is still up")
	}
	if after := s.downAt.Sub(epoch); after > 2*time.Second {
		t.Errorf("declared down after %v, want at most 2 s", after)
	}
	if len(s.probes) != 9 { // the missed one and a burst of 8
		t.Errorf("%d probes before the path was given up, want 9", len(s.probes))
	}
}

func TestOneAnswerInABurstKeepsThePathUp(t *testing.T) {
	s := newLinkSim()
	n := 0
	seventh := func() bool { n++; return n%9 == 7 }
	s.run(20*time.Second, seventh, always)
	if !s.downAt.IsZero() {
		t.Errorf("declared down after %v although every ninth probe was answered", s.downAt.Sub(epoch))
	}
}

func TestAnyAuthenticatedFrameCountsAsAnAnswer(t *testing.T) {
	s := newLinkSim()
	for range 100 {
		s.heard = s.now
		s.run(400*time.Millisecond, never, always)
	}
	if len(s.probes) != 0 {
		t.Errorf("%d probes although a frame came every 0.4 s, want 0", len(s.probes))
	}
}

func TestAPeerThatIsDownIsCalledForEverWithAGrowingPause(t *testing.T) {
	s := newLinkSim()
	s.link.Fall(s.now, 0)
	s.run(10*time.Minute, never, never)
	if len(s.calls) < 120 {
		t.Errorf("%d calls in 10 minutes, want at least 120", len(s.calls))
	}
	if first, last := s.calls[1].Sub(s.calls[0]), s.calls[len(s.calls)-1].Sub(s.calls[len(s.calls)-2]); first >= last {
		t.Errorf("pause went from %v to %v, want it to grow", first, last)
	}
}

func TestDoubtStartsABurstAtOnce(t *testing.T) {
	s := newLinkSim()
	s.run(time.Second, always, never)
	if s.link.Doubt(s.now) != Probe {
		t.Fatal("doubt did not ask for a probe")
	}
	asked := s.now
	s.run(2*time.Second, never, never)
	if after := s.downAt.Sub(asked); s.downAt.IsZero() || after > time.Second {
		t.Errorf("declared down %v after the doubt, want at most 1 s", after)
	}
}

func TestDueNamesTheMomentOfTheNextAction(t *testing.T) {
	s := newLinkSim()
	for range 200 {
		due := s.link.Due(s.now, s.heard, s.carried, 0)
		if a := s.link.Step(due.Add(-time.Nanosecond), s.heard, s.carried, 0); a != Nothing {
			t.Fatalf("action %d a nanosecond before it was due", a)
		}
		s.now = due
		switch s.link.Step(due, s.heard, s.carried, 0) {
		case Nothing:
			t.Fatal("nothing to do at the moment that was due")
		case Declare:
			s.link.Fall(due, 0)
		}
	}
}
