package alive

import (
	"testing"
	"time"
)

func TestAPeerInsistsWhoseProbesFollowEachOtherForLongerThanAnAnswerTakes(t *testing.T) {
	const gap, ms = 100 * time.Millisecond, time.Millisecond
	for name, c := range map[string]struct {
		rtt  time.Duration
		at   []time.Duration // probes arrive
		from int             // the first that shows it; -1: none does
	}{
		"a single one":                        {20 * ms, []time.Duration{0}, -1},
		"those of a link in use":              {20 * ms, []time.Duration{0, 500 * ms, 1000 * ms, 1500 * ms}, -1},
		"one, and a burst that is answered":   {20 * ms, []time.Duration{0, 200 * ms}, -1},
		"a burst":                             {20 * ms, []time.Duration{0, 100 * ms, 200 * ms}, 1},
		"a burst, and one that came late":     {20 * ms, []time.Duration{0, 130 * ms, 200 * ms}, 1},
		"a burst that was kept on its way":    {20 * ms, []time.Duration{0, 1 * ms, 2 * ms, 3 * ms}, -1},
		"a burst before the answer was there": {300 * ms, []time.Duration{0, 100 * ms, 200 * ms, 300 * ms, 400 * ms}, -1},
		"a longer one":                        {300 * ms, []time.Duration{0, 100 * ms, 200 * ms, 300 * ms, 400 * ms, 500 * ms}, 5},
		"two bursts with a pause":             {300 * ms, []time.Duration{0, 100 * ms, 200 * ms, 500 * ms, 600 * ms}, -1},
	} {
		t.Run(name, func(t *testing.T) {
			var i Insistence
			for n, at := range c.at {
				if got, want := i.Probed(epoch.Add(at), gap, c.rtt), c.from >= 0 && n >= c.from; got != want {
					t.Errorf("probe %d, at %v: %v, want %v", n, at, got, want)
				}
			}
		})
	}
}

func TestAChallengeIsEndedByAnAnswerAloneAndNotByWhatThePeerSends(t *testing.T) {
	s := newLinkSim()
	s.link.Spare = true
	if s.link.Challenge(s.now) != Probe || s.link.Challenge(s.now) != Nothing {
		t.Fatal("a challenge is one probe at once")
	}
	s.run(350*time.Millisecond, always, always)
	if s.link.Ailing(s.now, 0) {
		t.Fatal("ailing before the fourth probe had its time")
	}
	s.run(60*time.Millisecond, always, always)
	if !s.link.Ailing(s.now, 0) {
		t.Fatal("not ailing after four probes without an answer")
	}
	s.link.Answered(epoch.Add(-time.Millisecond)) // of a probe before
	if s.run(10*time.Millisecond, always, always); !s.link.Missing() {
		t.Fatal("the answer to an earlier probe ended it")
	}
	s.link.Answered(s.now)
	if s.link.Missing() || s.link.Ailing(s.now, 0) || !s.link.Up() {
		t.Error("an answer did not end it")
	}
	s.run(5*time.Second, always, always)
	if !s.downAt.IsZero() {
		t.Error("it is down, though the peer is heard and nothing hints that it does not hear us")
	}
}

func TestAChallengeWithoutAnAnswerTakesTheLinkDownThoughThePeerIsHeard(t *testing.T) {
	s := newLinkSim()
	s.link.Challenge(s.now)
	s.run(2*time.Second, always, always)
	if took := s.downAt.Sub(epoch); s.downAt.IsZero() || took > time.Second {
		t.Errorf("down after %v", took)
	}
	s.link.Rise()
	if s.run(5*time.Second, always, always); !s.link.Up() {
		t.Error("a link that came up anew is still challenged")
	}
}

func TestABurstUnderWayBecomesAChallenge(t *testing.T) {
	s := newLinkSim()
	s.link.Doubt(s.now)
	if s.link.Challenge(s.now) != Nothing {
		t.Error("it sends another probe at once")
	}
	if s.run(300*time.Millisecond, always, always); !s.link.Missing() {
		t.Error("what the peer sends ended it")
	}
}
