package mesh

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weftnet/weft/trust"
)

// hears gives h a message as gossip does, and returns how many it has found not to be in order since.
func (h *fakeHost) hears(b []byte) (bad uint64) {
	before := h.mesh.Counters().Bad
	h.mesh.mail.post(func(o *owner) { o.message(b) })
	synctest.Wait()
	return h.mesh.Counters().Bad - before
}

// dead is a trio of which the third has crashed, and is dead to the others.
func dead(t *testing.T, n *fakeNet) (a, b, c *fakeHost) {
	t.Helper()
	a, b, c = trio(t, n)
	c.crash()
	within(t, 30*time.Second, "c is dead", func() bool { return !a.alive(c) && !b.alive(c) })
	return a, b, c
}

func TestADeadNodeThatOneForgetsIsForgottenByAllAndWelcomeWhenItIsBack(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		a, b, c := dead(t, n)
		before := c.mesh.View().Self.Version
		cut := n.host(4, []int{1}, leased)
		cut.start()
		within(t, 10*time.Second, "the fourth knows all", func() bool { return cut.sees(a, b) && cut.knows(c) })
		n.setCut(a.addr, cut.addr, true)
		n.setCut(b.addr, cut.addr, true)
		if err := a.mesh.Forget(t.Context(), c.fp()); err != nil {
			t.Fatal(err)
		}
		within(t, time.Second, "a and b have forgotten it", func() bool { return !a.knows(c) && !b.knows(c) })
		time.Sleep(time.Minute)
		n.setCut(a.addr, cut.addr, false)
		n.setCut(b.addr, cut.addr, false)
		within(t, time.Minute, "who was cut off has, too", func() bool { return cut.sees(a, b) && !cut.knows(c) })
		late := n.host(5, []int{4}, leased)
		late.start()
		within(t, 10*time.Second, "late sees all that are there", func() bool { return late.sees(a, b, cut) })
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		for _, h := range []*fakeHost{a, b, cut, late} {
			if h.knows(c) {
				t.Errorf("it came back at %v", h.addr)
			}
		}
		c.start()
		within(t, 3*time.Second, "it is back", allSee(a, b, c, cut, late))
		within(t, 3*time.Second, "with a higher version", func() bool { return c.mesh.View().Self.Version > before })
	})
}

func TestALiveNodeIsForgottenByNobody(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		a, b, c := trio(t, n)
		if err := a.mesh.Forget(t.Context(), c.fp()); !errors.Is(err, ErrPresent) {
			t.Errorf("a live one: %v", err)
		}
		if err := a.mesh.Forget(t.Context(), a.fp()); !errors.Is(err, ErrPresent) {
			t.Errorf("itself: %v", err)
		}
		if err := a.mesh.Forget(t.Context(), trust.Fingerprint{1}); !errors.Is(err, ErrUnknown) {
			t.Errorf("a stranger: %v", err)
		}
		version := c.mesh.View().Self.Version
		stone := signTombstone(b.id, c.fp(), version, uint64(time.Now().UnixMilli()))
		if bad := a.hears(message(messageForget, stone.raw)); bad != 0 || !a.sees(c) {
			t.Errorf("%d bad; a sees c: %v", bad, a.sees(c))
		}
		c.hears(message(messageForget, stone.raw))
		within(t, 3*time.Second, "c raises its version past what was to be forgotten", func() bool {
			return c.mesh.View().Self.Version > version && allSee(a, b, c)()
		})
	})
}

func TestATombstoneCountsOnlyIfItIsAMembersOfNowAndForAVersionThatIsThere(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		a, b, c := dead(t, n)
		m, _ := a.member(c)
		now, version := uint64(time.Now().UnixMilli()), m.Claim.Version
		right := signTombstone(b.id, c.fp(), version, now).raw
		flipped := slices.Clone(right)
		flipped[0] ^= 1
		inAnothersName := signTombstone(c.id, c.fp(), version, now).raw
		copy(inAnothersName[48:80], right[48:80])
		for name, test := range map[string]struct {
			raw []byte
			bad uint64
		}{
			"of a stranger":        {signTombstone(testIdentity("stranger"), c.fp(), version, now).raw, 0},
			"over":                 {signTombstone(b.id, c.fp(), version, now-uint64(2*testLease.Milliseconds())).raw, 0},
			"of an older version":  {signTombstone(b.id, c.fp(), version-1, now).raw, 0},
			"from the future":      {signTombstone(b.id, c.fp(), version, now+uint64(time.Hour.Milliseconds())).raw, 1},
			"far ahead":            {signTombstone(b.id, c.fp(), version+releaseJump+1, now).raw, 1},
			"in another's name":    {inAnothersName, 1},
			"about another":        {flipped, 1},
			"cut off":              {right[:tombstoneLen-1], 1},
			"of no version at all": {signTombstone(b.id, c.fp(), maxVersion+1, now).raw, 1},
		} {
			if bad := a.hears(message(messageForget, test.raw)); bad != test.bad || !a.knows(c) {
				t.Errorf("%s: %d bad, want %d; a knows c: %v", name, bad, test.bad, a.knows(c))
			}
		}
		if bad := a.hears(message(messageForget, right)); bad != 0 || a.knows(c) {
			t.Errorf("the right one: %d bad; a knows c: %v", bad, a.knows(c))
		}
	})
}

// In strict mode any certified node may say it, and no other.
func TestInStrictModeACertifiedNodesWordIsEnoughAndAnothersIsNone(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		a, b, c := n.strict(1, nil), n.strict(2, []int{1}), n.strict(3, []int{1})
		for _, h := range []*fakeHost{a, b, c} {
			h.start()
		}
		within(t, 10*time.Second, "all see all", allSee(a, b, c))
		c.crash()
		within(t, 30*time.Second, "c is dead", func() bool { return !a.alive(c) && !b.alive(c) })
		m, _ := a.member(c)
		stone := signTombstone(testIdentity("stranger"), c.fp(), m.Claim.Version, uint64(time.Now().UnixMilli()))
		if a.hears(message(messageForget, stone.raw)); !a.knows(c) {
			t.Error("a stranger's word counts")
		}
		if err := b.mesh.Forget(t.Context(), c.fp()); err != nil {
			t.Fatal(err)
		}
		within(t, time.Second, "both have forgotten it", func() bool { return !a.knows(c) && !b.knows(c) })
	})
}

func TestTombstonesAreBoundedAndTheOldestGoFirst(t *testing.T) {
	all, by := tombstones{}, testIdentity("by")
	for i := range maxTombstones + 10 {
		id := trust.Fingerprint{byte(i >> 8), byte(i)}
		at := uint64(lawsNow.Add(time.Duration(i) * time.Second).UnixMilli())
		if t1 := signTombstone(by, id, 1, at); !all.add(t1, time.Hour, lawsNow) || all.add(t1, time.Hour, lawsNow) {
			t.Fatalf("the %dth is not news once", i)
		}
	}
	if _, oldest := all[trust.Fingerprint{0, 9}]; oldest || len(all) != maxTombstones {
		t.Errorf("%d are kept, the tenth is among them: %v", len(all), oldest)
	}
	later := lawsNow.Add(2 * time.Hour)
	all.add(signTombstone(by, trust.Fingerprint{9}, 1, uint64(later.UnixMilli())), time.Hour, later)
	if len(all) != 1 {
		t.Errorf("%d are kept, and all but one are over", len(all))
	}
}

func TestAMembersWordIsTakenAtARateAndAnothersAllTheSame(t *testing.T) {
	all, flooder, other := burials{}, trust.Fingerprint{1}, trust.Fingerprint{2}
	taken := func(by trust.Fingerprint, at time.Time) (n int) {
		for range 3 * maxTombstones {
			if all.take(by, at) {
				n++
			}
		}
		return n
	}
	if n := taken(flooder, lawsNow); n != maxTombstones {
		t.Errorf("%d at once, want %d", n, maxTombstones)
	}
	if n := taken(flooder, lawsNow.Add(10*time.Second)); n != 10 {
		t.Errorf("%d after 10 s", n)
	}
	if !all.take(other, lawsNow) {
		t.Error("another member has to wait")
	}
	if all.take(flooder, lawsNow.Add(time.Hour)); len(all) != 1 {
		t.Errorf("%d members are remembered after an hour", len(all))
	}
}

// A member invents nodes that are to be forgotten. What it says beyond the rate is neither kept nor passed on.
func TestAFloodOfTombstonesOfInventedNodesIsNotPassedOn(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		a, b, c := trio(t, n)
		now := uint64(time.Now().UnixMilli())
		for i := range 3 * maxTombstones {
			id := trust.Fingerprint{0xee, byte(i >> 8), byte(i)}
			a.hears(message(messageForget, signTombstone(b.id, id, 1, now).raw))
		}
		passed := make(chan int, 1)
		a.mesh.mail.post(func(o *owner) { passed <- len(o.dropped) })
		if n := <-passed; n != maxTombstones {
			t.Errorf("%d of the tombstones count, want %d", n, maxTombstones)
		}
		if !allSee(a, b, c)() {
			t.Error("the members do not see each other any more")
		}
	})
}
