package pmtu_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weftnet/weft/pmtu"
)

func TestALinkIsBelievedAtOnceAndVerifiedInARoundTrip(t *testing.T) {
	p := newPath(1500)
	if s := p.engine.State(); s != (pmtu.State{MTU: 1500, Safe: pmtu.Base, Known: pmtu.Searching}) {
		t.Errorf("a new path is at %+v", s)
	}
	if took := p.until(t, time.Second, is(pmtu.Verified, 1500)); took > p.rtt+2*tick {
		t.Errorf("to verify the link took %v", took)
	}
	if p.probes != 1 {
		t.Errorf("it took %d probes", p.probes)
	}
}

func TestAPathThatTakesLessThanItsLinksIsFound(t *testing.T) {
	for _, mtu := range []int{576, 800, 1000, 1200, 1280, 1281, 1300, 1400, 1405, 1420, 1450, 1480, 1492, 1499} {
		t.Run(fmt.Sprint(mtu), func(t *testing.T) {
			p := newPath(mtu)
			p.run(6 * time.Second)
			s := p.engine.State()
			if s.Known != pmtu.Verified || s.MTU > mtu || s.MTU < mtu-8 || s.Safe != s.MTU {
				t.Errorf("it is taken for %+v", s)
			}
			if mtu >= pmtu.Base && p.lost > 0 {
				t.Errorf("%d packets were lost during the search", p.lost)
			}
			t.Logf("%+v, %d probes, %d bytes", s, p.probes, p.bytes)
		})
	}
}

func TestCommonMTUsAreFoundExactly(t *testing.T) {
	for _, mtu := range []int{1280, 1380, 1392, 1400, 1420, 1450, 1460, 1480, 1492, 1500} {
		p := newPath(mtu)
		p.until(t, 6*time.Second, is(pmtu.Verified, mtu))
	}
	p := newPath(8900)
	p.link = 9000
	p.engine = pmtu.New(pmtu.Config{Floor: pmtu.Floor4, Bound: 9000})
	p.until(t, 6*time.Second, is(pmtu.Verified, 8900))
}

func TestAShrunkPathLosesPacketsForTwoSecondsAtMost(t *testing.T) {
	for offset := range 8 {
		p := newPath(1500)
		p.run(10*time.Second + time.Duration(offset)*130*time.Millisecond)
		p.mtu = 1400
		if safe := p.until(t, 2*time.Second, func(s pmtu.State) bool { return s.Safe <= 1400 }); safe > 1500*time.Millisecond {
			t.Errorf("long packets are split after %v", safe)
		}
		p.until(t, 4*time.Second, is(pmtu.Verified, 1400))
		if len(p.told) != 1 {
			t.Errorf("the route MTU changed %d times", len(p.told))
		}
	}
}

func TestAGrownPathIsFoundWithinTenSeconds(t *testing.T) {
	for _, mtu := range []int{1420, 1450, 1492, 1500} {
		p := newPath(1400)
		p.run(time.Minute)
		p.mtu = mtu
		p.until(t, 10*time.Second, func(s pmtu.State) bool { return s.MTU == mtu && s.Known == pmtu.Verified })
	}
}

func TestLossIsNotTakenForASmallMTU(t *testing.T) {
	for seed := range uint64(4) {
		p := newPath(1500)
		p.rand = rand.New(rand.NewPCG(seed, 3))
		p.loss = 0.05
		p.run(30 * time.Minute)
		if len(p.told) != 0 {
			t.Errorf("with seed %d the route MTU changed %d times", seed, len(p.told))
		}
		if share := p.doubtful.Minutes() / 30; share > 0.1 {
			t.Errorf("long packets were split for %.0f %% of the time", 100*share)
		}
	}
}

func TestASmallPathIsFoundAlthoughProbesAreLost(t *testing.T) {
	p := newPath(1400)
	p.loss = 0.05
	p.run(30 * time.Second)
	if s := p.engine.State(); s.MTU != 1400 {
		t.Errorf("it is taken for %+v", s)
	}
	p.mtu = 1500
	p.until(t, 20*time.Second, func(s pmtu.State) bool { return s.MTU == 1500 }) // one attempt to grow may be lost
}

func TestAnOutageSaysNothingOfSizes(t *testing.T) {
	p := newPath(1450)
	p.run(10 * time.Second)
	p.told, p.probes = nil, 0
	p.cut = true
	p.run(time.Minute)
	if len(p.told) != 0 || p.engine.State().MTU != 1450 {
		t.Errorf("the route MTU is %+v after an outage", p.engine.State())
	}
	if p.probes > 80 {
		t.Errorf("%d probes were sent in a minute without an answer", p.probes)
	}
	p.cut = false
	p.until(t, 6*time.Second, is(pmtu.Verified, 1450))
}

func TestAnIdlePathIsLeftAlone(t *testing.T) {
	p := newPath(1400)
	p.run(10 * time.Second)
	p.traffic, p.probes = false, 0
	p.run(time.Hour)
	if p.probes > 20 {
		t.Errorf("%d probes were sent in an hour", p.probes)
	}
	p.mtu = 1300
	p.traffic = true
	p.until(t, 2*time.Second, func(s pmtu.State) bool { return s.Safe <= 1300 })
}

func TestWhatTheKernelRefusesIsNotWaitedFor(t *testing.T) {
	for mtu, safe := range map[int]int{1400: pmtu.Base, 1000: pmtu.Floor4} {
		p := newPath(1500)
		p.run(10 * time.Second)
		p.mtu, p.link = mtu, mtu
		p.engine.TooLong(min(1500, mtu+200)) // a whole frame, or a part of one
		if s := p.engine.State(); s.Safe != safe || s.MTU != 1500 {
			t.Errorf("after a packet was refused the engine is at %+v", s)
		}
		found := func(s pmtu.State) bool { return s.Known == pmtu.Verified && s.MTU <= mtu && s.MTU > mtu-8 }
		if took := p.until(t, 2*time.Second, found); took > 500*time.Millisecond {
			t.Errorf("to find what the link takes took %v", took)
		}
	}
}

// The answer to an earlier round settles what is in question, while the round that is open hears nothing.
func TestALateAnswerBehindARefusalLeavesNothingInDoubt(t *testing.T) {
	p := newPath(pmtu.Floor4)
	p.link, p.traffic, p.cut = 9000, false, true
	p.run(900 * time.Millisecond)
	p.cut, p.rtt = false, 900*time.Millisecond
	p.engine.Doubt()
	p.run(600 * time.Millisecond)
	p.cut = true
	p.engine.Doubt()
	p.run(300 * time.Millisecond)
	p.engine.TooLong(1)
	p.run(300 * time.Millisecond)
	p.cut, p.rtt, p.traffic = false, 20*time.Millisecond, true
	p.until(t, time.Minute, is(pmtu.Verified, pmtu.Floor4))
}

func TestALowerBoundHoldsAtOnceAndAHigherOneIsTried(t *testing.T) {
	p := newPath(9000)
	p.link = 9000
	p.run(5 * time.Second)
	p.engine.SetBound(1400)
	if s := p.engine.State(); s.MTU != 1400 {
		t.Errorf("with a bound of 1400 the engine is at %+v", s)
	}
	p.until(t, time.Second, is(pmtu.Verified, 1400))
	p.engine.SetBound(1500)
	if s := p.engine.State(); s.MTU != 1400 {
		t.Errorf("a route MTU of %d is told before it is verified", s.MTU)
	}
	p.until(t, time.Second, is(pmtu.Verified, 1500))
}

func TestIPv6IsNeverTakenForLessThanItMustCarry(t *testing.T) {
	p := newPath(1000)
	p.engine = pmtu.New(pmtu.Config{Floor: pmtu.Floor6, Bound: 1500})
	p.run(time.Minute)
	if s := p.engine.State(); s.MTU < pmtu.Floor6 || s.Safe < pmtu.Floor6 {
		t.Errorf("the engine is at %+v", s)
	}
}

func TestAnAnswerCountsOnceAndNotWithoutItsProbe(t *testing.T) {
	e := pmtu.New(pmtu.Config{Floor: pmtu.Floor4, Bound: 1500})
	e.Answered(1, start)
	e.Answered(0, start)
	if s := e.State(); s.Known != pmtu.Searching {
		t.Fatalf("answers to no probe lead to %+v", s)
	}
	probe := e.Step(start, start)[0]
	e.Answered(probe.ID, start.Add(3*time.Second))
	if s := e.State(); s.Known != pmtu.Searching {
		t.Errorf("an answer after three seconds leads to %+v", s)
	}
}

// Whatever happened to a path, and whatever was lost meanwhile: when it is well again, the engine finds what it carries, within
// the precision; and at no time it tells less than the least MTU, or takes less to be safe.
func TestWhateverHappenedThePathIsFound(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		floor := rapid.SampledFrom([]int{pmtu.Floor4, pmtu.Floor6}).Draw(r, "floor")
		p := newPath(1500)
		p.link = 9000
		p.engine = pmtu.New(pmtu.Config{Floor: floor, Bound: 1500})
		for range rapid.IntRange(1, 6).Draw(r, "changes") {
			p.mtu = rapid.IntRange(floor, 2000).Draw(r, "mtu")
			p.loss = rapid.SampledFrom([]float64{0, 0.05, 0.5}).Draw(r, "loss")
			p.cut = rapid.IntRange(0, 4).Draw(r, "cut") == 0
			p.traffic = rapid.Bool().Draw(r, "traffic")
			p.rtt = rapid.SampledFrom([]time.Duration{tick, 100 * time.Millisecond, 900 * time.Millisecond}).Draw(r, "rtt")
			switch rapid.IntRange(0, 4).Draw(r, "event") {
			case 0:
				p.engine.SetBound(rapid.IntRange(500, 2000).Draw(r, "bound"))
			case 1:
				p.engine.Doubt()
			case 2:
				p.engine.TooLong(rapid.IntRange(1, 2000).Draw(r, "refused"))
			}
			for range rapid.IntRange(1, 30).Draw(r, "periods") {
				p.run(300 * time.Millisecond)
				if s := p.engine.State(); s.MTU < floor || s.Safe < floor || s.Safe > 2000 {
					r.Fatalf("the engine is at %+v", s)
				}
			}
		}
		p.loss, p.cut, p.traffic, p.rtt = 0, false, true, 20*time.Millisecond
		p.engine.SetBound(1500)
		p.run(40 * time.Second)
		want, s := min(p.mtu, 1500), p.engine.State()
		if s.Known != pmtu.Verified || s.MTU > want || s.MTU < want-8 {
			r.Fatalf("a path of %d is taken for %+v", want, s)
		}
	})
}
