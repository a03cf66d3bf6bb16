package mesh

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// clone is a second host with the key of h.
func (n *fakeNet) clone(h *fakeHost, i int, seeds []int) *fakeHost {
	c := n.host(i, seeds)
	c.id = h.id
	c.cfg.Subnet, c.cfg.Name = h.cfg.Subnet, h.cfg.Name
	return c
}

// wantClone waits until the host's Run ends with a CloneError, and returns it.
func wantClone(t *testing.T, h *fakeHost, limit time.Duration) *CloneError {
	t.Helper()
	select {
	case err := <-h.ended:
		var clone *CloneError
		if !errors.As(err, &clone) {
			t.Fatalf("Run = %v, want a CloneError", err)
		}
		h.net.remove(h)
		h.cancel()
		return clone
	case <-time.After(limit):
		t.Fatalf("no CloneError after %v", limit)
	}
	return nil
}

func TestTheYoungerOfTwoClonesStopsWhenItCallsTheOlder(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		a := n.host(1, nil)
		a.start()
		time.Sleep(time.Minute)
		c := n.clone(a, 2, []int{1})
		c.start()
		err := wantClone(t, c, 5*time.Second)
		if err.Addr.Addr() != a.addr || err.Uptime < time.Minute || err.Error() == "" {
			t.Errorf("error %+v does not say where the other one is", err)
		}
		synctest.Wait()
		if v := a.mesh.View(); v.SelfState.Phase != SelfOwner || v.SelfState.Reason == "" {
			t.Errorf("a: state %+v, want owner, with the clone named", v.SelfState)
		}
	})
}

func TestTheYoungerOfTwoClonesStopsWhenTheOlderCallsIt(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		a := n.host(1, []int{2})
		a.start()
		time.Sleep(time.Minute)
		c := n.clone(a, 2, nil)
		c.start()
		wantClone(t, c, 10*time.Second)
	})
}

func TestClonesThatKnowOnlyAThirdNodeFindEachOther(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		a, b := n.host(1, []int{3}), n.host(3, nil)
		a.start()
		b.start()
		within(t, time.Second, "both see both", allSee(a, b))
		time.Sleep(time.Minute)
		c := n.clone(a, 2, []int{3})
		c.start()
		wantClone(t, c, 10*time.Second)
		within(t, 30*time.Second, "b has the claim of a", func() bool {
			m, _ := b.member(a)
			return m.Alive && len(m.Claim.Endpoints) == 1 && m.Claim.Endpoints[0].Addr() == a.addr
		})
	})
}

func TestOfTwoClonesStartedTogetherExactlyOneStops(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		a := n.host(1, []int{2})
		c := n.clone(a, 2, []int{1})
		a.start()
		c.start()
		select {
		case <-a.ended:
			a.cancel()
			n.remove(a)
			a, c = c, a
		case <-c.ended:
			c.cancel()
			n.remove(c)
		case <-time.After(10 * time.Second):
			t.Fatal("none stopped")
		}
		select {
		case err := <-a.ended:
			t.Errorf("the other one stopped, too: %v", err)
		case <-time.After(time.Minute):
		}
	})
}

func TestANodeWhoseAddressChangedIsNotItsOwnClone(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		a, b := n.host(1, []int{2}), n.host(2, nil)
		a.start()
		b.start()
		within(t, time.Second, "both see both", allSee(a, b))
		a.crash()
		a.addr = addrOf(7) // its old claim, with the old address, is still known
		a.start()
		within(t, 2*time.Second, "both see both", allSee(a, b))
		select {
		case err := <-a.ended:
			t.Errorf("a stopped: %v", err)
		case <-time.After(time.Minute):
		}
	})
}

func TestTheDecisionBetweenClonesIsTheSameOnBothSides(t *testing.T) {
	x, y := nextBoot(), nextBoot()
	for _, d := range []time.Duration{-time.Hour, -time.Second, 0, time.Second, time.Hour} {
		ours := 2 * time.Hour
		if youngerClone(ours, ours+d, x, y) == youngerClone(ours+d, ours, y, x) {
			t.Errorf("uptimes that differ by %v: not exactly one stops", d)
		}
	}
}

func TestOurOwnStreamIsNotAClone(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		a := n.host(1, []int{1})
		a.start()
		synctest.Wait()
		stream, err := a.DialGossip(context.Background(), a.fp(), a.mesh.View().Claims[0].Endpoints)
		if err == nil {
			_ = stream.Close()
		}
		time.Sleep(time.Minute)
		select {
		case err := <-a.ended:
			t.Errorf("a stopped: %v", err)
		default:
		}
	})
}
