package router

import (
	"testing"
	"time"

	"github.com/weftnet/weft/encap"
)

func TestAFrameBehindTheGoodbyeDoesNotRaiseThePath(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1, older), w.side(2, older)
		w.join(a, b)
		keys := a.internal(b).session.Current()
		late, err := keys.SealData(make([]byte, 0, 2000), 0, 0, udp(pod(1), pod(2), "late"))
		if err != nil {
			t.Fatal(err)
		}
		bye, err := keys.SealControl(nil, encap.Goodbye, nil)
		if err != nil {
			t.Fatal(err)
		}
		a.sendRaw(b, 0, bye)
		time.Sleep(10 * time.Millisecond)
		a.sendRaw(b, 0, late)
		time.Sleep(100 * time.Millisecond)
		if s := b.peer(a); s.Up || !s.Away {
			t.Errorf("a is %+v, want it away", s)
		}
		if n := b.router.Counters().Dropped[UnknownIndex]; n != 1 {
			t.Errorf("%d frames were dropped for their index, want 1", n)
		}
	})
}

func TestAStopUnderTrafficIsAGoodbyeAndNothingElse(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1), w.side(2)
		w.join(a, b)
		w.flow(a, b, 100*time.Microsecond).end()
		for range 100 {
			a.inject(udp(pod(1), pod(2), "last words"))
		}
		a.stop()
		time.Sleep(4 * time.Second)
		if s := b.peer(a); s.Up || !s.Away {
			t.Errorf("a is %+v, want it away", s)
		}
		if n := b.count(PathDown); n != 1 {
			t.Errorf("the path went down %d times, want once", n)
		}
	})
}

func TestAGoodbyeOfAnEarlierRunDoesNotTakeDownTheNewPath(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1), w.side(2)
		w.join(a, b)
		bye, err := a.internal(b).session.Current().SealControl(nil, encap.Goodbye, nil)
		if err != nil {
			t.Fatal(err)
		}
		a.crash()
		a.start()
		a.set(b)
		within(t, time.Second, "both up", func() bool { return allUp(a, b) && a.carries(b) })
		a.sendRaw(b, 0, bye)
		time.Sleep(10 * time.Millisecond)
		if s := b.peer(a); !s.Up {
			t.Errorf("a is %+v, want it up", s)
		}
	})
}
