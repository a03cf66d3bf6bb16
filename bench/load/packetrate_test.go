package load

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestPacketRateFindsTheRateOfALimitedPath(t *testing.T) {
	k := &bucket{perSecond: 4000, depth: 40}
	far := relayed{Far: testServer(t), forward: k.forward}
	r, err := PacketRate(soon(t), Here{}, far, PacketRateOptions{Payload: 64, Trial: 100 * time.Millisecond, Limit: 30000})
	if err != nil {
		t.Fatalf("%v, %+v", err, r)
	}
	// The path carries 4000 a second, and the bucket's depth once. A slow machine may carry less, never more.
	if most := 4000*1.01 + 40/0.1; r.PPS > most || r.Loss >= 0.01 || r.SenderBound && r.Offered > most {
		t.Errorf("%+v; want at most %.0f packets/s with a loss below 1 %%", r, most)
	}
	for _, trial := range r.Trials {
		if trial.Received > trial.Sent || trial.Loss < 0 || trial.Duplicates > 0 || trial.Offered > 30000*1.1 {
			t.Errorf("impossible trial: %+v", trial)
		}
	}
}

func TestLossOfOneInTenIsLossAndNoRatePasses(t *testing.T) {
	n := 0
	far := relayed{Far: testServer(t), forward: func(b []byte, out func([]byte)) {
		if n++; n%10 != 0 {
			out(b)
		}
	}}
	r, err := PacketRate(soon(t), Here{}, far, PacketRateOptions{Payload: 64, Trial: 20 * time.Millisecond, Trials: 3, Limit: 5000})
	if err == nil || !strings.Contains(err.Error(), "no rate had a loss below 1 %") || len(r.Trials) != 3 {
		t.Fatalf("%+v, %v; want three trials and an error", r, err)
	}
	for _, trial := range r.Trials {
		if trial.Sent >= 20 && trial.Loss < 0.05 {
			t.Errorf("loss %.3f, want about 0.1: %+v", trial.Loss, trial)
		}
	}
}

func TestDuplicatesOnTheWayAreNoGain(t *testing.T) {
	n := 0
	far := relayed{Far: testServer(t), forward: func(b []byte, out func([]byte)) {
		switch n++; n % 2 { // every other one is dropped, and the one after it comes twice
		case 0:
			out(b)
			out(b)
		}
	}}
	r, err := PacketRate(soon(t), Here{}, far, PacketRateOptions{Payload: 64, Trial: 20 * time.Millisecond, Trials: 1, Limit: 5000})
	if err == nil || len(r.Trials) != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	if got := r.Trials[0]; got.Duplicates != got.Received || got.Loss < 0.4 {
		t.Errorf("%+v; want as many duplicates as received, and about half lost", got)
	}
}

func TestAPathThatCarriesNothingIsNamed(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	far := relayed{Far: testServer(t), forward: func([]byte, func([]byte)) {}}
	_, err := PacketRate(ctx, Here{}, far, PacketRateOptions{Payload: 64, Trial: time.Millisecond})
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "packet rate of 64 bytes from this host to 127.0.0.1:") {
		t.Errorf("error = %v", err)
	}
}

func TestPacketRateRefusesWhatItCannotSend(t *testing.T) {
	for _, o := range []PacketRateOptions{
		{Payload: 15, Trial: time.Second},
		{Payload: 65508, Trial: time.Second},
		{Payload: 64},
		{Payload: 64, Trial: time.Second, Trials: -1},
		{Payload: 64, Trial: time.Second, MaxLoss: 1},
		{Payload: 64, Trial: time.Second, Limit: -1},
	} {
		if _, err := PacketRate(soon(t), Here{}, testServer(t), o); err == nil {
			t.Errorf("%+v: no error", o)
		}
	}
}

// path is a simulated one: it carries a number of packets per second, and fewer when it is overloaded.
func path(asked, sender, capacity, collapse float64) Trial {
	offered := sender
	if asked > 0 {
		offered = min(asked, sender)
	}
	arrived := offered
	if offered > capacity {
		arrived = max(capacity-collapse*(offered-capacity), capacity/20)
	}
	return Trial{Asked: asked, Offered: offered, Arrived: arrived, Sent: 1000, Loss: 1 - arrived/offered}
}

func TestTheSearchComesNearTheHighestRateThatPasses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sender := rapid.Float64Range(1e4, 1e6).Draw(t, "sender")
		capacity := sender * rapid.Float64Range(0.1, 2).Draw(t, "capacity")
		collapse := rapid.Float64Range(0, 0.5).Draw(t, "collapse") // more load, less arrives
		var s search
		asked, best := 0.0, 0.0
		for trials := 0; !s.over && trials < 12; trials++ {
			trial := path(asked, sender, capacity, collapse)
			v := verdictOf(trial, 0.01)
			if v == passed {
				best = max(best, trial.Arrived)
			}
			asked = s.tell(trial, v)
			if asked < 0 || math.IsNaN(asked) || !s.over && !s.repeating && asked == 0 {
				t.Fatalf("asks for %v", asked)
			}
		}
		if want := min(sender, capacity); best < 0.95*want || best > 1.001*want {
			t.Fatalf("found %.0f, want %.0f", best, want)
		}
	})
}

func TestAFullTrialThatPassesEndsTheSearch(t *testing.T) {
	var s search
	s.tell(path(0, 1000, 2000, 0), passed)
	if !s.unbounded() {
		t.Errorf("%+v", s)
	}
}

func TestANarrowFailureIsRepeatedOnceBeforeItCounts(t *testing.T) {
	var s search
	unlucky := Trial{Asked: 1000, Offered: 1000, Arrived: 980, Sent: 1000, Loss: 0.02}
	if next := s.tell(unlucky, verdictOf(unlucky, 0.01)); next != 1000 || s.high != 0 {
		t.Errorf("after a loss of 2 %%: %v next, %+v; want the same once more", next, s)
	}
	again := s
	if again.tell(path(1000, 2000, 2000, 0), passed); !again.unbounded() {
		t.Errorf("the second time it passed: %+v", again)
	}
	if next := s.tell(unlucky, narrow); next >= 1000 || s.high != 1000 {
		t.Errorf("after the second loss: %v next, %+v; want a lower rate", next, s)
	}
	if next := s.tell(path(990, 2000, 2000, 0), passed); next <= 990 {
		t.Errorf("after one that passed: %v", next)
	}
	if bad := (Trial{Asked: 995, Sent: 1000, Loss: 0.03}); verdictOf(bad, 0.01) != failing || s.tell(bad, failing) == 995 {
		t.Error("a loss of three times what may be is no bad luck")
	}
}

func TestWhatTheSenderDidNotSendHasNotPassed(t *testing.T) {
	s := search{high: 2000}
	s.tell(Trial{Asked: 1500, Offered: 1200, Arrived: 1200, Sent: 1000}, passed)
	if s.low != 1200 {
		t.Errorf("low = %v, want the 1200 that were sent of 1500 asked for", s.low)
	}
}

func TestASenderThatDoesNotReachTheRateIsTheBound(t *testing.T) {
	var r PacketRateResult
	r.add(Trial{Asked: 1000, Offered: 900, Arrived: 900, Overflow: 7}, true)
	if !r.SenderBound || r.Overflow != 7 {
		t.Errorf("%+v; want it bound by the sender, with the overflow of the trial", r)
	}
	r.add(Trial{Asked: 1100, Offered: 500, Arrived: 500, Overflow: 9}, true)
	r.add(Trial{Asked: 1100, Offered: 1000, Arrived: 950, Overflow: 8}, false)
	if r.PPS != 900 || r.Overflow != 7 {
		t.Errorf("%+v; want the best of those that passed", r)
	}
	r.add(Trial{Asked: 950, Offered: 940, Arrived: 939}, true)
	if r.SenderBound || r.PPS != 939 || r.Overflow != 0 {
		t.Errorf("%+v; want a rate that the sender reached", r)
	}
}

func TestThePacerIsNeverAheadOfItsRateAndForgetsWhatItMissed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.Float64Range(1, 1e6).Draw(t, "rate")
		p := pacer{rate: rate}
		total, at := 0, time.Duration(0)
		for range 100 {
			at += time.Duration(rapid.IntRange(0, 10_000_000).Draw(t, "ns"))
			due := p.due(at)
			if most := max(1, rate*lagging.Seconds()) + 1; float64(due) > most {
				t.Fatalf("%d due at once, want at most %.0f", due, most)
			}
			p.done += due
			total += due
			if next := p.next(at); next < at+tick {
				t.Fatalf("next %v, is %v", next, at)
			}
		}
		if float64(total) > rate*at.Seconds()+1 {
			t.Fatalf("%d packets in %v at %.0f/s", total, at, rate)
		}
	})
}

func TestAPacerOfFewPacketsThatIsCalledLateSendsThem(t *testing.T) {
	p := pacer{rate: 100} // one in 10 ms
	total := 0
	for at := time.Duration(0); at <= time.Second; at = p.next(at) + time.Millisecond {
		due := p.due(at)
		p.done += due
		total += due
	}
	if total < 90 {
		t.Errorf("%d packets in a second, want about 100", total)
	}
}

func TestAPacerThatIsCalledOftenLosesNothing(t *testing.T) {
	p := pacer{rate: 12345}
	for at := time.Duration(0); at <= time.Second; at += tick {
		p.done += p.due(at)
	}
	if p.base != 0 || p.done < 12344 {
		t.Errorf("%d packets in a second, want 12345", p.done)
	}
}

func TestTheBlasterSleepsBetweenItsBursts(t *testing.T) {
	r, n := start(t, testServer(t), SinkUDP)
	s, release, err := n.dialUDP(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	sent, took, err := blast(newBlaster(s, n.token, 100), 2000, 50*time.Millisecond, func() bool { return false })
	if err != nil || sent > 101 || took < 50*time.Millisecond {
		t.Errorf("%d packets in %v, %v; want 100 in 50 ms", sent, took, err)
	}
	await(t, "all arrive", func() bool { return tally(t, r).Unique() == sent })
	if got := tally(t, r); got.Bytes != 100*sent || got.Overflow != 0 {
		t.Errorf("%+v", got)
	}
}
