package linkstate

import (
	"testing"
	"time"

	"github.com/weftnet/weft/trust"
)

// crowd are members that do not run.
func crowd(n int) (list []trust.PublicKeys) {
	for i := range n {
		list = append(list, testIdentity(1000+i).Public())
	}
	return list
}

// setMembersAnd tells all nodes that there are others as well.
func (w *world) setMembersAnd(others []trust.PublicKeys) {
	for i, n := range w.nodes {
		n.engine.SetMembers(append(w.members(), others...))
		w.step(i)
	}
}

func (w *world) expired() (n uint64) {
	for _, node := range w.nodes {
		n += node.engine.Stats().Expired
	}
	return n
}

func TestPagesOfALargeClusterAreRefreshedAndEndLater(t *testing.T) {
	const n, members = 4, 500
	w := newWorld(t, n, 1)
	w.setMembersAnd(crowd(members - n))
	w.mesh(10 * time.Millisecond)
	w.run(time.Minute)
	pages := signed(w.nodes[0])
	w.run(5 * refreshEvery * 3 / 4)
	if got := pages(); got != 0 {
		t.Errorf("%d pages were signed anew within three quarters of %v, want none", got, 5*refreshEvery)
	}
	w.run(5 * refreshEvery / 2)
	if got := pages(); got < 1 || w.expired() > 0 {
		t.Errorf("%d pages were signed anew in %v, and %d have expired; want some, and none", got, 5*refreshEvery*5/4, w.expired())
	}
	w.kill(3)
	for i := range 3 {
		w.links[[2]int{i, 3}] = &testLink{}
	}
	measureAll(w)
	w.run(5*maxAge + time.Minute)
	if got := w.expired(); got != 3 {
		t.Errorf("%d pages of the dead node have expired, want one at each of 3", got)
	}
}

func TestNoPageEndsWhereACrowdOfMembersLeaves(t *testing.T) {
	const n = 4
	w := newWorld(t, n, 1)
	w.setMembersAnd(crowd(600))
	w.mesh(10 * time.Millisecond)
	w.run(17 * time.Minute)
	w.setMembersAnd(nil)
	w.run(2 * time.Hour)
	if got := w.expired(); got != 0 {
		t.Errorf("%d pages have expired", got)
	}
	if text := w.disagreement(); text != "" {
		t.Error(text)
	}
}

func TestChangesInALargeClusterAreGatheredForLonger(t *testing.T) {
	w := newWorld(t, 4, 1)
	w.setMembersAnd(crowd(496))
	w.mesh(10 * time.Millisecond)
	w.run(time.Minute)
	pages := signed(w.nodes[0])
	for _, rtt := range []time.Duration{40 * time.Millisecond, 10 * time.Millisecond} {
		w.set(0, 1, rtt, 0)
		w.run(5 * settle)
	}
	w.run(5*spacing - 10*settle)
	if got := pages(); got != 1 {
		t.Errorf("%d pages for two changes within %v, want 1", got, 5*spacing)
	}
	w.set(0, 1, 0, 0)
	if got := pages(); got != 1 {
		t.Errorf("%d pages when a link goes down, want 1 at once", got)
	}
}
