package mesh

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/weftnet/weft/trust"
)

func TestOfTwoGoodbyesTheLaterOneCountsUnlessItsClockRanAhead(t *testing.T) {
	now := lawsNow
	last, other := nextBoot(), nextBoot()
	at := func(boot trust.BootNonce, ahead time.Duration) departure {
		return signDeparture(testIdentity("a"), boot, uint64(now.Add(ahead).UnixMilli()))
	}
	for name, test := range map[string]struct {
		have, got departure
		want      bool
	}{
		"later":                         {at(other, -time.Hour), at(last, 0), true},
		"earlier":                       {at(last, 0), at(other, -time.Hour), false},
		"the same":                      {at(last, 0), at(last, 0), false},
		"a little ahead":                {at(other, 0), at(last, time.Minute), true},
		"sane after future":             {at(other, time.Hour), at(last, 0), true},
		"future after sane":             {at(last, 0), at(other, time.Hour), false},
		"far future after sane":         {at(last, 0), at(other, 1e9*time.Second), false},
		"future of the last boot":       {at(other, 0), at(last, time.Hour), true},
		"sane after that":               {at(last, time.Hour), at(other, 0), false},
		"the last boot, clock set back": {at(other, 0), at(last, -time.Hour), true},
		"other boot after the last":     {at(last, -time.Hour), at(other, 0), false},
		"further future of other boot":  {at(last, time.Hour), at(other, 2*time.Hour), false},
	} {
		m := member{lastBoot: last, departed: test.have}
		if got := m.superseded(test.got, now); got != test.want {
			t.Errorf("%s: replaced = %v", name, got)
		}
	}
}

// If two replaced each other, nodes would pass them on for ever.
func TestGoodbyesReplaceEachOtherInOneDirectionOnly(t *testing.T) {
	boots := []trust.BootNonce{nextBoot(), nextBoot()}
	rapid.Check(t, func(t *rapid.T) {
		draw := rapid.Custom(func(t *rapid.T) departure {
			ahead := time.Duration(rapid.IntRange(-2, 2).Draw(t, "hours")) * time.Hour
			return departure{boot: rapid.SampledFrom(boots).Draw(t, "boot"), at: uint64(lawsNow.Add(ahead).UnixMilli()), raw: []byte{1}}
		})
		list := rapid.SliceOfN(draw, 1, 6).Draw(t, "departures")
		m := member{lastBoot: boots[0]}
		for range 2 {
			for _, d := range list {
				if m.superseded(d, lawsNow) {
					m.departed = d
				}
			}
		}
		if slices.ContainsFunc(list, func(d departure) bool { return m.superseded(d, lawsNow) }) {
			t.Error("a departure that was heard twice replaces another again")
		}
	})
}

func TestAGoodbyeDoesNotKeepTheMessageItCameIn(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		a, b := n.host(1, nil), n.host(2, []int{1})
		a.start()
		b.start()
		within(t, time.Second, "both see both", allSee(a, b))
		message := (&state{departures: []departure{signDeparture(b.id, nextBoot(), 5)}}).encode(time.Now())
		kept := make(chan departure, 1)
		a.mesh.mail.post(func(o *owner) {
			o.mergeState(message)
			kept <- o.member(b.fp()).departed
		})
		d := <-kept
		clear(message)
		if !d.verify(b.id.Public()) {
			t.Error("the departure shares the bytes of the message")
		}
	})
}

func TestANodeThatLeftIsLeftAndKeepsItsClaim(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		a, b, c := n.host(1, nil), n.host(2, []int{1}), n.host(3, []int{1})
		a.start()
		b.start()
		c.start()
		within(t, time.Second, "all see all", allSee(a, b, c))
		if err := b.mesh.Leave(context.Background()); err != nil {
			t.Fatal(err)
		}
		b.crash()
		within(t, time.Second, "b left for a and c", func() bool {
			ma, _ := a.member(b)
			mc, _ := c.member(b)
			return ma.Left && !ma.Alive && mc.Left && !mc.Alive && ma.Claim != nil && mc.Claim != nil
		})
		b.start()
		within(t, time.Second, "b is back", func() bool {
			m, _ := a.member(b)
			return allSee(a, b, c)() && !m.Left
		})
	})
}

func TestAGoodbyeFromTheFutureHidesNoLaterOne(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		a, b, c := n.host(1, nil), n.host(2, []int{1}), n.host(3, []int{1})
		a.start()
		b.start()
		c.start()
		within(t, time.Second, "all see all", allSee(a, b, c))
		future := signDeparture(b.id, nextBoot(), uint64(time.Now().AddDate(10, 0, 0).UnixMilli()))
		hear := func(d departure) {
			a.mesh.mail.post(func(o *owner) { o.mergeState((&state{departures: []departure{d}}).encode(time.Now())) })
		}
		hear(future)
		time.Sleep(time.Minute)
		if err := b.mesh.Leave(context.Background()); err != nil {
			t.Fatal(err)
		}
		b.crash()
		left := func() bool {
			ma, _ := a.member(b)
			mc, _ := c.member(b)
			return ma.Left && mc.Left
		}
		within(t, time.Second, "b left for a and c", left)
		hear(future)
		time.Sleep(time.Minute)
		synctest.Wait()
		if !left() {
			t.Error("the goodbye from the future came back")
		}
	})
}

func TestANodeThatSaidGoodbyeIsCalledSeldom(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		a, b := n.host(1, nil), n.host(2, []int{1})
		a.start()
		b.start()
		within(t, time.Second, "both see both", allSee(a, b))
		if err := b.mesh.Leave(context.Background()); err != nil {
			t.Fatal(err)
		}
		b.crash()
		before := n.dialed(b)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if calls := n.dialed(b) - before; calls < 10 || calls > 40 {
			t.Errorf("%d calls in ten minutes, want about 20", calls)
		}
	})
}
