package alive

import (
	"slices"
	"testing"
	"time"

	"github.com/weftnet/weft/trust"
)

// silence steps a link that carries data and hears nothing, from when it was heard last, whenever it is due, and returns when it did
// something and when it was ailing first, until it is down.
func silence(t *testing.T, l *Link, rtt time.Duration) (acted []time.Duration, ailing time.Duration) {
	t.Helper()
	now, heard := epoch, epoch
	for range 1000 {
		now = l.Due(now, heard, now, rtt)
		if early := now.Add(-1); early.After(heard) && l.Step(early, heard, early, rtt) != Nothing {
			t.Fatalf("it does something before it is due, at %v", early.Sub(epoch))
		}
		if ailing == 0 && l.Ailing(now, rtt) {
			ailing = now.Sub(epoch)
		}
		switch l.Step(now, heard, now, rtt) {
		case Probe:
			acted = append(acted, now.Sub(epoch))
		case Declare:
			return append(acted, now.Sub(epoch)), ailing
		}
	}
	t.Fatal("it is never down")
	return nil, 0
}

func TestWhatIsWaitedForGrowsWithTheRoundTrip(t *testing.T) {
	const ms = time.Millisecond
	for name, c := range map[string]struct {
		rtt                       time.Duration
		spare                     bool
		burst, second, down, ails time.Duration // the first and the second probe of the burst, and what comes of them
	}{
		"near":                         {20 * ms, false, 1000 * ms, 1100 * ms, 1800 * ms, 1400 * ms},
		"near, with another path":      {20 * ms, true, 700 * ms, 800 * ms, 1500 * ms, 1100 * ms},
		"far":                          {300 * ms, false, 1100 * ms, 1200 * ms, 2400 * ms, 1700 * ms},
		"far, with another path":       {300 * ms, true, 1400 * ms, 1500 * ms, 2700 * ms, 2000 * ms},
		"not so far, and another path": {100 * ms, true, 800 * ms, 900 * ms, 1700 * ms, 1200 * ms},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLinkSim().link
			l.Spare = c.spare
			acted, ails := silence(t, &l, c.rtt)
			got := []time.Duration{acted[0], acted[1], acted[2], acted[len(acted)-1], ails}
			if want := []time.Duration{500 * ms, c.burst, c.second, c.down, c.ails}; !slices.Equal(got, want) || len(acted) != 10 {
				t.Errorf("%v, want %v, of %d", got, want, len(acted))
			}
		})
	}
}

func TestALinkThatCarriedDataLatelyIsProbedLikeOneThatDoes(t *testing.T) {
	for _, c := range []struct{ ago, want time.Duration }{{999 * time.Millisecond, 500 * time.Millisecond}, {time.Second, 15 * time.Second}} {
		l := newLinkSim().link
		if got := l.Due(epoch, epoch, epoch.Add(-c.ago), 0).Sub(epoch); got != c.want {
			t.Errorf("data %v ago: the next probe after %v, want %v", c.ago, got, c.want)
		}
	}
}

func TestWhatIsMostlyAnsweredIsFollowedByAProbeWhenItIsNot(t *testing.T) {
	s := newLinkSim()
	s.run(10*time.Millisecond, always, never)
	first := s.now
	s.link.Hope(first)
	s.run(300*time.Millisecond, always, never)
	s.link.Hope(s.now) // the time counts from the first
	if due := s.link.Due(s.now, s.heard, time.Time{}, 0); due.Sub(first) != 500*time.Millisecond {
		t.Errorf("due %v after the first", due.Sub(first))
	}
	s.run(310*time.Millisecond, always, never)
	if len(s.probes) != 1 || s.probes[0].Sub(first) != 500*time.Millisecond {
		t.Fatalf("probes at %v", s.probes)
	}
	if s.run(10*time.Second, always, never); len(s.probes) != 1 {
		t.Errorf("%d probes for one hope", len(s.probes))
	}
	s.link.Hope(s.now)
	s.heard = s.now.Add(100 * time.Millisecond)
	if s.run(3*time.Second, always, never); len(s.probes) != 1 {
		t.Error("a probe though the peer was heard")
	}
	s.link.Fall(s.now, time.Hour)
	s.link.Hope(s.now)
	s.link.Rise()
	s.heard = s.now.Add(-time.Millisecond)
	if s.run(3*time.Second, always, never); len(s.probes) != 1 {
		t.Error("what was sent on a link that was down is hoped for")
	}
}

func TestTheLastPauseBetweenCallsIsTwoThirdsOfTheLongestAndItsJitterTheRest(t *testing.T) {
	for _, c := range []struct {
		jitter func(time.Duration) time.Duration
		want   time.Duration
	}{
		{func(time.Duration) time.Duration { return 0 }, Timing{}.WithDefaults().CallMax * 2 / 3},
		{func(d time.Duration) time.Duration { return d }, Timing{}.WithDefaults().CallMax},
	} {
		l, now := NewLink(Timing{}.WithDefaults(), c.jitter), epoch
		for range 20 {
			l.Step(now, time.Time{}, time.Time{}, 0)
			now = l.Due(now, time.Time{}, time.Time{}, 0)
		}
		last := now
		l.Step(now, time.Time{}, time.Time{}, 0)
		got := l.Due(now, time.Time{}, time.Time{}, 0).Sub(last)
		if (got - c.want).Abs() > time.Millisecond {
			t.Errorf("the last pause is %v, want %v", got, c.want)
		}
	}
}

func TestALinkThatIsUpIsNotCalledSoon(t *testing.T) {
	l := newLinkSim().link
	l.Fall(epoch, 0)
	l.Step(epoch, epoch, time.Time{}, 0)
	l.Rise()
	l.CallSoon(epoch)
	if l.Calls() != 1 {
		t.Error("its calls were forgotten")
	}
	l.Fall(epoch, time.Hour)
	l.CallSoon(epoch.Add(time.Second))
	if due := l.Due(epoch, epoch, time.Time{}, 0); due.Sub(epoch) != time.Second {
		t.Errorf("one that is down is called after %v", due.Sub(epoch))
	}
}

func TestOfSeveralRoutesThatFailedTheFirstToBeTriedAgainCounts(t *testing.T) {
	var f Failures
	f.Add([]trust.Fingerprint{{1}}, epoch.Add(time.Second))
	f.Add([]trust.Fingerprint{{2}}, epoch)
	f.Add([]trust.Fingerprint{{3}}, epoch.Add(2*time.Second))
	for _, c := range []struct{ or, want time.Duration }{{5 * time.Second, 5 * time.Second}, {time.Hour, failedFor}} {
		if got := f.Next(epoch.Add(c.or)).Sub(epoch); got != c.want {
			t.Errorf("or after %v: after %v, want %v", c.or, got, c.want)
		}
	}
}

func TestALinkThatPacketsHaveLeftIsMeasuredLikeANewOne(t *testing.T) {
	m := measured(100, 0, 1)
	m.Renew()
	if got := m.Due(m.last, time.Time{}).Sub(m.last); got != meterNew {
		t.Errorf("the next probe after %v, want %v", got, meterNew)
	}
}

func TestAProbeWhoseAnswerTakesTooLongIsLost(t *testing.T) {
	var m Meter
	m.Began(epoch)
	m.Sent(1, epoch)
	m.Sent(2, epoch.Add(time.Millisecond))
	m.Expire(epoch.Add(3*time.Second-1), 0)
	if m.Loss() != 0 || m.Waiting() != 2 {
		t.Errorf("too early: %v lost, %d wait", m.Loss(), m.Waiting())
	}
	m.Expire(epoch.Add(3*time.Second), time.Second)
	if m.Loss() == 0 || m.Waiting() != 1 {
		t.Errorf("%v lost, %d wait", m.Loss(), m.Waiting())
	}
	lost := m.Loss()
	m.Answered(1, time.Millisecond)
	if m.Answered(2, time.Millisecond); m.Loss() >= lost || m.Waiting() != 0 {
		t.Errorf("after the answer to the second: %v lost, %d wait", m.Loss(), m.Waiting())
	}
}

func TestTheFirstRoundTripCountsAsItIs(t *testing.T) {
	if got := Smooth(0, 80*time.Millisecond); got != 80*time.Millisecond {
		t.Errorf("the first: %v", got)
	}
	if got := Smooth(80*time.Millisecond, 160*time.Millisecond); got != 90*time.Millisecond {
		t.Errorf("the second: %v", got)
	}
}

func TestAWayIsComparedWhenBothHaveTwoAnswers(t *testing.T) {
	way := func(answers int, best time.Duration) *way {
		return &way{to: endpoint("192.0.2.1"), answers: answers, best: best}
	}
	for _, c := range []struct {
		mine, other int
		want        quality
	}{{2, 2, roundTrip}, {1, 2, 0}, {2, 1, 0}} {
		if got := way(c.mine, time.Millisecond).beats(way(c.other, time.Second)); got != c.want {
			t.Errorf("%d answers and %d: better in %v, want %v", c.mine, c.other, got, c.want)
		}
	}
}
