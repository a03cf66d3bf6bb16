package alive

import (
	"time"

	"github.com/weftnet/weft/trust"
)

// MaxCalls is how many calls of a node may be under way at once.
const MaxCalls = 32

// Window bounds how many calls of a node are under way at once, and says how long an answer takes now. It is a deterministic engine.
//
// Where many nodes start together all have all others to call. More calls at once than those called have time for make all answers late;
// what is called again before its answer is there makes them later still, until nothing that is begun is finished. So a call waits until
// an earlier one was answered, or was not within Timeout: there are never more than those called can answer, however slow they are. A
// peer that is gone takes a place for no longer than that.
type Window struct {
	least, most time.Duration // bounds of Timeout

	under  map[trust.Fingerprint]time.Time // since when a call of that peer is under way
	smooth time.Duration                   // how long answers take; 0: not known
	vary   time.Duration                   // the mean of how far they are from it
	last   time.Time                       // when an answer was there last
}

// NewWindow makes a Window of links with those periods.
func NewWindow(t Timing) Window {
	return Window{least: t.CallMin, most: t.CallMax, under: map[trust.Fingerprint]time.Time{}}
}

// Room reports whether a further call may begin.
func (w *Window) Room(now time.Time) bool {
	if len(w.under) < MaxCalls {
		return true
	}
	for id, began := range w.under {
		if now.Sub(began) >= w.Timeout(now) {
			delete(w.under, id)
		}
	}
	return len(w.under) < MaxCalls
}

// Next is when there will be room though nobody answers. It is for when there is none.
func (w *Window) Next(now time.Time) time.Time {
	next := now.Add(w.most)
	for _, began := range w.under {
		if at := began.Add(w.Timeout(now)); at.Before(next) {
			next = at
		}
	}
	return next
}

// Begin notes that a peer is called.
func (w *Window) Begin(id trust.Fingerprint, now time.Time) { w.under[id] = now }

// End notes that no call of a peer is under way any more.
func (w *Window) End(id trust.Fingerprint) { delete(w.under, id) }

// Answered notes that a handshake of ours ended which began at that time.
func (w *Window) Answered(began, now time.Time) {
	took := now.Sub(began)
	if !w.known(now) {
		w.smooth, w.vary = took, took/2
	} else {
		w.vary += ((took - w.smooth).Abs() - w.vary) / 4
		w.smooth += (took - w.smooth) / 8
	}
	w.last = now
}

// windowMemory is how long it counts how long an answer took: the node may have had much to do then, and have little now.
const windowMemory = 10 * time.Second

func (w *Window) known(now time.Time) bool {
	return w.smooth > 0 && now.Sub(w.last) < windowMemory
}

// Timeout is how long an answer may take before its call is made again (RFC 6298, section 2): CallMin at least, which also is for when
// nothing is known, and CallMax at most.
func (w *Window) Timeout(now time.Time) time.Duration {
	if !w.known(now) {
		return w.least
	}
	return min(max(w.least, w.smooth+4*w.vary), w.most)
}
