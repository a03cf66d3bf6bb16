package alive

import (
	"math/rand/v2"
	"testing"
	"time"
)

// measured is a meter after so many probes of a link that loses a share of them.
func measured(probes int, share float64, seed uint64) *Meter {
	random, m, now := rand.New(rand.NewPCG(seed, 1)), new(Meter), epoch
	m.Began(now)
	for id := range uint64(probes) {
		now = now.Add(time.Second)
		m.Sent(id, now)
		if random.Float64() >= share {
			m.Answered(id, time.Millisecond)
		}
		m.Expire(now.Add(meterPatience), 0)
	}
	return m
}

func TestTheMeterTellsLossFromChance(t *testing.T) {
	for seed := range uint64(50) {
		if loss := measured(1000, 0, seed).Surely(); loss != 0 {
			t.Errorf("no loss: %.3f", loss)
		}
		if loss := measured(1, 1, seed).Surely(); loss > 0.03 {
			t.Errorf("one lost probe: %.3f", loss)
		}
		if loss := measured(1000, 0.02, seed).Surely(); loss > 0.03 {
			t.Errorf("2 %%: %.3f", loss)
		}
		if loss := measured(1000, 0.3, seed).Surely(); loss < 0.1 || loss > 0.4 {
			t.Errorf("30 %%: %.3f", loss)
		}
	}
}

func TestTheMeterAsksForFewProbesOfAnIdleLink(t *testing.T) {
	for _, test := range []struct {
		probes  int
		carried time.Duration // ago
		want    time.Duration
	}{{1, time.Hour, meterNew}, {100, time.Hour, meterIdle}, {100, time.Second, meterBusy}} {
		m := measured(test.probes, 0, 1)
		if got := m.Due(m.last, m.last.Add(-test.carried)).Sub(m.last); got != test.want {
			t.Errorf("after %d probes, data %v ago: the next after %v, want %v", test.probes, test.carried, got, test.want)
		}
	}
}

func TestProbesThatAreDisregardedAreNoLosses(t *testing.T) {
	now := time.Unix(1000, 0)
	var m Meter
	m.Began(now)
	m.Sent(1, now)
	m.Disregard()
	m.Expire(now.Add(time.Minute), time.Second)
	if m.Loss() != 0 || m.Waiting() != 0 {
		t.Errorf("loss %v, %d probes wait", m.Loss(), m.Waiting())
	}
}

func TestWhatWaitsAtAHostThatHasNoTimeIsNoRoundTripOfTheWay(t *testing.T) {
	var m Meter
	m.Began(epoch)
	if got := m.RoundTrip(); got != 0 {
		t.Errorf("before the first answer: %v", got)
	}
	for id := range uint64(20) {
		m.Answered(id, 400*time.Millisecond)
	}
	m.Answered(20, time.Millisecond)
	if got := m.RoundTrip(); got != time.Millisecond {
		t.Errorf("after one answer that did not wait: %v", got)
	}
	for id := range uint64(meterTrips) {
		m.Answered(21+id, 50*time.Millisecond)
	}
	if got := m.RoundTrip(); got != 50*time.Millisecond {
		t.Errorf("of a way that has become longer: %v", got)
	}
	m.Moved()
	if got := m.RoundTrip(); got != 0 {
		t.Errorf("of another endpoint: %v", got)
	}
}

func TestALinkIsSoundWhenNothingWasLostForAWhile(t *testing.T) {
	m, now := new(Meter), epoch
	m.Began(now)
	probe := func(id uint64, answered bool) {
		m.Sent(id, now)
		if answered {
			m.Answered(id, time.Millisecond)
		}
		now = now.Add(meterPatience)
		m.Expire(now, 0)
	}
	probe(1, false)
	for id := range uint64(meterSound) {
		if m.Sound() {
			t.Errorf("sound after %d answers", id)
		}
		probe(2+id, true)
	}
	if !m.Sound() {
		t.Errorf("not sound after %d answers", meterSound)
	}
	if probe(100, false); m.Sound() {
		t.Error("sound after a loss")
	}
}
