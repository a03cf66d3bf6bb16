package alive

import (
	"math/rand/v2"
	"testing"
	"time"
)

// aileAfter is how long after the last answer a link is ailing, while data is sent and nothing comes back.
func aileAfter(t *testing.T, spare bool) time.Duration {
	t.Helper()
	s := newLinkSim()
	s.link.Spare = spare
	for s.now.Sub(epoch) < 5*time.Second {
		s.run(10*time.Millisecond, never, always)
		if s.link.Ailing(s.now, 0) {
			return s.now.Sub(epoch)
		}
	}
	t.Fatal("it is never ailing")
	return 0
}

func TestAPathIsLeftSoonerWhereAnotherStandsReady(t *testing.T) {
	with, without := aileAfter(t, true), aileAfter(t, false)
	if with > 1150*time.Millisecond || without-with < 250*time.Millisecond {
		t.Errorf("ailing after %v with another path ready, and %v without", with, without)
	}
}

func TestALinkThatIsLeftIsNotDownBeforeTheWholeBurstIsUnanswered(t *testing.T) {
	s := newLinkSim()
	s.link.Spare = true
	s.run(1150*time.Millisecond, never, always)
	if !s.link.Ailing(s.now, 0) || !s.link.Up() {
		t.Fatalf("ailing %v, up %v", s.link.Ailing(s.now, 0), s.link.Up())
	}
	s.run(100*time.Millisecond, always, always)
	if s.link.Ailing(s.now, 0) || !s.link.Up() {
		t.Error("an answer does not make it well again")
	}
}

// A process that got no CPU for seconds finds an old probe unanswered; the answer may wait in its own sockets.
func TestAProcessThatSleptDoesNotTakeItsPeerForAiling(t *testing.T) {
	s := newLinkSim()
	s.link.Spare = true
	s.run(510*time.Millisecond, never, always) // a probe is sent
	for range 20 {
		s.now = s.now.Add(3 * time.Second)
		s.link.Step(s.now, s.heard, s.now, 0)
		if s.link.Ailing(s.now, 0) {
			t.Fatal("ailing at the moment of waking up")
		}
		s.heard = s.now // the answers are read now
		s.link.Step(s.now, s.heard, s.now, 0)
	}
}

func TestARoundTripLongerThanTheBurstIsWaitedFor(t *testing.T) {
	s := newLinkSim()
	s.link.Spare = true
	const rtt = 700 * time.Millisecond
	sent := []time.Time{}
	for range 6000 { // every probe is answered, one round trip later
		if s.link.Step(s.now, s.heard, s.now, rtt) == Probe {
			sent = append(sent, s.now)
		}
		for len(sent) > 0 && s.now.Sub(sent[0]) >= rtt {
			s.heard, sent = s.now, sent[1:]
		}
		if s.link.Ailing(s.now, rtt) || !s.link.Up() {
			t.Fatalf("given up after %v", s.now.Sub(epoch))
		}
		s.now = s.now.Add(10 * time.Millisecond)
	}
}

func TestFivePercentLossEachWayHardlyEverMakesALinkAiling(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	s := newLinkSim()
	s.link.Spare = true
	times := 0
	answered := func() bool { return random.Float64() > 0.0975 }
	was := false
	for s.now.Sub(epoch) < 5*time.Hour {
		s.run(50*time.Millisecond, answered, always)
		is := s.link.Ailing(s.now, 0)
		if is && !was {
			times++
		}
		was = is
	}
	if times > 3 || !s.downAt.IsZero() {
		t.Errorf("ailing %d times in 5 hours, and down at %v", times, s.downAt)
	}
}
