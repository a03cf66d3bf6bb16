package encap

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// rekeyWorld is two ends with traffic in both directions, in virtual time: every millisecond each end sends a packet
// under its current keys, and every frame takes some milliseconds, not always the same.
type rekeyWorld struct {
	t       *rapid.T
	a, b    *node
	now     time.Time
	flying  []timed
	arrived int
}

type timed struct {
	due time.Time
	flight
}

func (w *rekeyWorld) send(to *node, frame []byte, delay int) {
	w.flying = append(w.flying, timed{w.now.Add(time.Duration(delay) * time.Millisecond), flight{to, frame}})
}

func (w *rekeyWorld) sendData(from, to *node, delay int) {
	frame, err := from.Current().SealData(make([]byte, 0, 64), 0, 0, []byte("packet"))
	if err != nil {
		w.t.Fatal(err)
	}
	w.send(to, frame, delay)
}

// deliver hands over what is due, and does what a router does with it.
func (w *rekeyWorld) deliver() {
	due := slices.Collect(func(yield func(flight) bool) {
		for _, f := range w.flying {
			if !f.due.After(w.now) && !yield(f.flight) {
				return
			}
		}
	})
	w.flying = slices.DeleteFunc(w.flying, func(f timed) bool { return !f.due.After(w.now) })
	for _, f := range due {
		w.take(f)
	}
}

func (w *rekeyWorld) take(f flight) {
	other := w.a
	if f.to == w.a {
		other = w.b
	}
	h, err := ParseHeader(f.frame)
	if err != nil {
		w.t.Fatal(err)
	}
	switch h.Type {
	case Initiation:
		m, err := f.to.local.ReadInitiation(f.frame)
		if err != nil {
			w.t.Fatal(err)
		}
		if response, err := f.to.Accept(m, w.now); err == nil {
			w.send(other, response, 3)
		}
	case Response:
		if f.to.Complete(f.frame, w.now) == nil {
			w.sendData(f.to, other, 1)
		}
	default:
		if _, err := f.to.open(f.frame); err != nil {
			w.t.Fatalf("a packet is lost: %v", err)
		}
		f.to.Confirmed(f.to.indexes[h.Index], w.now)
		w.arrived++
	}
}

func TestRekeysOfEitherEndUnderTrafficLoseNoPacket(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		a, b := pair(t, func(c *SessionConfig) { c.RekeyAfter, c.Grace = 5*time.Second, 50*time.Millisecond })
		establish(t, a, b, start)
		w := &rekeyWorld{t: rt, a: a, b: b, now: start}
		rekeys := rapid.SliceOfN(rapid.IntRange(0, 29), 1, 3).Draw(rt, "offsets")
		for i, offset := range rekeys {
			first, second := a, b
			if i%2 == 1 {
				first, second = b, a
			}
			w.round(first, second, offset)
		}
		if len(a.indexes) > 1+maxOld || len(b.indexes) > 1+maxOld {
			rt.Errorf("%d and %d indexes are bound", len(a.indexes), len(b.indexes))
		}
	})
}

// round is 100 ms in which both ends rekey, the second some time after the first.
func (w *rekeyWorld) round(first, second *node, offset int) {
	for ms := range 100 {
		w.now = w.now.Add(time.Millisecond)
		for _, n := range []*node{w.a, w.b} {
			n.Expire(w.now)
		}
		for i, n := range []*node{first, second} {
			if ms != i*offset {
				continue
			}
			frame, err := n.Initiate(w.now)
			if err != nil {
				w.t.Fatal(err)
			}
			w.send([]*node{second, first}[i], frame, 2)
		}
		w.sendData(w.a, w.b, 1+ms%7)
		w.sendData(w.b, w.a, 1+ms%5)
		w.deliver()
	}
}
