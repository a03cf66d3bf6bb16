package router

import (
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/packet"
)

// pauseNow ends the router in order, to come back.
func (s *side) pauseNow() {
	s.router.Pause()
	s.stop()
}

func TestAPeerThatPausesAndComesBackNeverGoesDown(t *testing.T) {
	modes(t, func(t *testing.T, mode change) {
		bubble(t, lan, func(t *testing.T, w *world) {
			a, b := w.side(1, mode), w.side(2, mode)
			w.join(a, b)
			f := w.flow(a, b, 10*time.Millisecond)
			time.Sleep(time.Second)
			b.pauseNow()
			time.Sleep(500 * time.Millisecond)
			b.start()
			b.set(a)
			took := within(t, time.Second, "b gets packets again", func() bool { return len(b.take()) > 0 })
			t.Logf("took %v", took)
			time.Sleep(5 * time.Second)
			f.end()
			if n := a.count(PathDown); n != 0 {
				t.Errorf("told %d times that the path is down", n)
			}
		})
	})
}

func TestAPeerThatPausesAndStaysAwayIsAwayWithin3SecondsAlsoIfIdle(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1), w.side(2)
		w.join(a, b)
		time.Sleep(20 * time.Second)
		b.pauseNow()
		took := within(t, 3*time.Second, "b is down at a", func() bool { return !a.up(b) })
		t.Logf("took %v", took)
		if s := a.peer(b); !s.Away || !strings.Contains(s.Reason, "has not come back") {
			t.Errorf("b is %+v, want it away", s)
		}
		b.start()
		b.set(a)
		within(t, time.Second, "both up", func() bool { return allUp(a, b) })
		if a.peer(b).Away {
			t.Error("b is still away")
		}
	})
}

func TestAPauseLeavesWhatComesInTheDevice(t *testing.T) {
	loops(t, func(t *testing.T, o loopOptions) {
		a, b := loopback(t, 1, o), loopback(t, 2, o)
		meet(t, a, b)
		if err := a.router.call(a.router.pause); err != nil {
			t.Fatal(err)
		}
		waiting := packet.Superpacket{Data: udp(pod(1), pod(2), "waiting")}
		a.put(0, waiting)
		b.put(0, packet.Superpacket{Data: udp(pod(2), pod(1), "still received")})
		a.get(0, 1)
		if n := a.mem.Queue(0).Waiting(); n != 1 {
			t.Errorf("%d packets wait in the device, want 1", n)
		}
	})
}

func TestAPauseDoesNotWaitForALaneThatHangs(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		l := &lane{}
		l.sending.Lock()
		if l.awaitLeft(time.Now().Add(leavePatience)) {
			t.Error("a lane that hangs has left the device")
		}
		l.sending.Unlock()
		if !l.awaitLeft(time.Now()) {
			t.Error("a lane that left has not")
		}
	})
}
