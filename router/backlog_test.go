package router

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/encap/simnet"
	"github.com/weftnet/weft/packet"
	"github.com/weftnet/weft/packet/packettest"
)

// numbered sends count packets from one side to another, evenly spaced, and runs the steps in between, each before the packet of
// its number. It returns what arrived, in order.
func (w *world) numbered(from, to *side, gap time.Duration, count int, steps map[int]func()) (arrived []string) {
	w.t.Helper()
	for i := range count {
		if f := steps[i]; f != nil {
			arrived = append(arrived, to.payloads()...) // a step may replace the device
			f()
		}
		from.inject(udp(pod(from.number), pod(to.number), fmt.Sprintf("%04d", i)))
		time.Sleep(gap)
	}
	time.Sleep(time.Second)
	return append(arrived, to.payloads()...)
}

// inOrder checks that the packets came in the order in which they were sent, none twice, and returns how many did not come.
func inOrder(t *testing.T, arrived []string, sent int) (lost int) {
	t.Helper()
	if !slices.IsSorted(arrived) || len(slices.Compact(slices.Clone(arrived))) != len(arrived) {
		t.Errorf("packets came out of order or twice: %v", arrived)
	}
	return sent - len(arrived)
}

func TestNoPacketToAPeerThatPausesIsLostAndAllKeepTheirOrder(t *testing.T) {
	modes(t, func(t *testing.T, mode change) {
		bubble(t, lan, func(t *testing.T, w *world) {
			a, b := w.side(1, mode), w.side(2, mode)
			w.join(a, b)
			arrived := w.numbered(a, b, 2*time.Millisecond, 500, map[int]func(){
				100: func() {
					time.Sleep(time.Millisecond) // nothing is on its way
					b.pauseNow()
					time.Sleep(2 * time.Millisecond) // nothing is sent before the peer has heard of it
				},
				200: func() {
					b.start()
					b.set(a)
				},
			})
			if lost := inOrder(t, arrived, 500); lost != 0 {
				t.Errorf("%d packets are lost; dropped: %v", lost, a.router.Counters().Dropped)
			}
		})
	})
}

func TestPacketsWaitForTheFirstSessionOfANode(t *testing.T) {
	bubble(t, simnet.Options{Delay: 20 * time.Millisecond}, func(t *testing.T, w *world) {
		a, b := w.side(1), w.side(2)
		a.set(b)
		arrived := w.numbered(a, b, 10*time.Millisecond, 100, map[int]func(){50: func() { b.set(a) }}) // before, b does not know a
		if lost := inOrder(t, arrived, 100); lost != 0 {
			t.Errorf("%d packets are lost; dropped: %v", lost, a.router.Counters().Dropped)
		}
	})
}

// The one that was called has keys for which it waits: packets wait with it.
func TestPacketsOfTheResponderWaitForTheFirstFrameOfTheInitiator(t *testing.T) {
	const delay = 50 * time.Millisecond
	bubble(t, simnet.Options{Delay: delay}, func(t *testing.T, w *world) {
		a, b := w.side(1), w.side(2)
		w.join(a, b)
		arrived := w.numbered(a, b, 2*time.Millisecond, 500, map[int]func(){100: func() {
			b.crash()
			b.start()
			b.set(a)
		}})
		// Lost is what was on its way, and what was sent until b's initiation came.
		if lost := inOrder(t, arrived, 500); lost > int(2*delay/(2*time.Millisecond))+1 {
			t.Errorf("%d packets are lost; dropped: %v", lost, a.router.Counters().Dropped)
		}
	})
}

func TestPacketsDoNotWaitWhereNoSessionIsExpected(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1), w.side(2)
		w.join(a, b)
		b.stop() // says goodbye
		time.Sleep(10 * time.Millisecond)
		a.inject(udp(pod(1), pod(2), "lost"))
		within(t, 10*time.Millisecond, "dropped at once", func() bool { return a.router.Counters().Dropped[PeerDown] == 1 })
	})
}

func TestAPeerThatPausesForGoodMakesPacketsStaleNotWaitForEver(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1), w.side(2)
		w.join(a, b)
		b.pauseNow()
		time.Sleep(10 * time.Millisecond)
		a.inject(udp(pod(1), pod(2), "stale"), udp(pod(1), pod(2), "stale too"))
		within(t, maxWait+10*time.Millisecond, "both are dropped", func() bool { return a.router.Counters().Dropped[QueueStale] == 2 })
		if left := a.router.backlog.Load(); left != 0 {
			t.Errorf("%d bytes are still counted as waiting", left)
		}
	})
}

func TestPacketsOfAPeerThatIsForgottenAreDropped(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1), w.side(2)
		w.join(a, b)
		b.pauseNow()
		time.Sleep(10 * time.Millisecond)
		a.inject(udp(pod(1), pod(2), "for nobody"))
		time.Sleep(10 * time.Millisecond)
		a.set()
		if d := a.router.Counters().Dropped; d[PeerDown] != 1 || a.router.backlog.Load() != 0 {
			t.Errorf("dropped %v, %d bytes wait", d, a.router.backlog.Load())
		}
	})
}

// expecting is a node by hand for whose peers packets wait.
func expecting(t *testing.T, peers int) (a *side) {
	t.Helper()
	a = hand(t, 1, byHand{})
	all := []*side{a}
	for i := range peers {
		all = append(all, newSide(t, 2+i))
	}
	a.router.setTable(a.table(all...))
	for _, p := range a.router.peers {
		a.router.expect(p)
	}
	return a
}

func TestWhatWaitsIsBoundedInBytesForAPeerAndForAll(t *testing.T) {
	const peers, size = 20, 60_000
	a := expecting(t, peers)
	fits := uint64(maxWaitingBytes / size)
	for i := range peers {
		before := a.drops()[QueueFull]
		for range fits + 1 {
			a.lane(0).outbound([]packet.Superpacket{{Data: udp(pod(1), pod(2+i), string(make([]byte, size-28)))}})
		}
		if full := a.drops()[QueueFull] - before; i == 0 && full != 1 {
			t.Errorf("%d of %d packets were dropped, want the last", full, fits+1)
		}
	}
	if held := a.router.backlog.Load(); held > maxBacklog || held+size <= maxBacklog {
		t.Errorf("%d bytes wait", held)
	}
	if got, want := a.drops()[QueueFull], peers*(fits+1)-uint64(maxBacklog/size); got != want {
		t.Errorf("%d packets dropped as queue-full, want %d", got, want)
	}
	a.router.setTable(a.table())
	if a.router.backlog.Load() != 0 || a.drops()[PeerDown] != uint64(maxBacklog/size) {
		t.Errorf("%d bytes still wait; dropped: %v", a.router.backlog.Load(), a.drops())
	}
}

func TestASuperpacketThatWaitedGoesOutInItsSegments(t *testing.T) {
	a, b := hand(t, 1, byHand{lanes: 2}), hand(t, 2, byHand{lanes: 2})
	introduce(t, a, b)
	a.router.suspend(a.known(b))
	p, _ := super(true, pod(1), pod(2), 0)
	segments := a.lane(1).sender.count(&p)
	a.lane(1).outbound([]packet.Superpacket{p})
	if n := a.sink(0).frames + a.sink(1).frames; n != 0 || segments < 2 {
		t.Fatalf("%d of %d frames were sent while the peer was suspended", n, segments)
	}
	a.router.heardFrom(a.known(b), a.from(b), heard)
	if a.sink(1).frames != segments || a.sink(0).frames != 0 {
		t.Errorf("%d frames in its own lane, %d in the other, want %d and none", a.sink(1).frames, a.sink(0).frames, segments)
	}
	if d := a.drops(); len(d) != 0 {
		t.Errorf("dropped %v", d)
	}
}

// TestLanesAndControlKeepTheOrderAtTheEndOfTheWait lets lanes send while control ends the wait, in real time.
func TestLanesAndControlKeepTheOrderAtTheEndOfTheWait(t *testing.T) {
	a, b := hand(t, 1, byHand{}), hand(t, 2, byHand{})
	introduce(t, a, b)
	conn := &inOrderSink{open: b.known(a).session.Current()}
	a.router.conns[0] = conn
	for range 50 {
		a.router.suspend(a.known(b))
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			for range 100 {
				conn.sent++
				a.lane(0).outbound([]packet.Superpacket{{Data: udp(pod(1), pod(2), fmt.Sprintf("%08d", conn.sent))}})
			}
		}()
		a.router.heardFrom(a.known(b), a.from(b), heard)
		<-sent
	}
	if conn.late != 0 || len(conn.got) != conn.sent {
		t.Errorf("%d packets came behind later ones, and %d of %d at all", conn.late, len(conn.got), conn.sent)
	}
}

// inOrderSink is a connection to a node by hand that opens what is sent, and looks at its order.
type inOrderSink struct {
	sink
	mu   sync.Mutex // guards got and late
	open *encap.Keypair
	sent int
	got  []string
	late int
}

// Send implements encap.Conn.
func (c *inOrderSink) Send(trains []encap.Train) encap.SendResult {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for i := range trains {
		for _, f := range framesOf(trains[i]) {
			inner, err := c.open.OpenData(f)
			if err != nil {
				continue
			}
			n++
			text := string(packettest.Payload(inner))
			if len(c.got) > 0 && c.got[len(c.got)-1] >= text {
				c.late++
			}
			c.got = append(c.got, text)
		}
	}
	return encap.SendResult{Sent: n}
}
