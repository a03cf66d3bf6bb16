package router

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/encap/simnet"
	"github.com/weftnet/weft/packet"
	"github.com/weftnet/weft/tun"
)

// silent is who does not answer within so long.
func (s *side) silent(limit time.Duration) []string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), limit)
	defer cancel()
	err := s.router.Pulse(ctx)
	if none := new(SilentError); errors.As(err, &none) {
		return none.Silent
	}
	check(s.t, err)
	return nil
}

// answers checks that all of s do.
func (s *side) answers(when string) {
	s.t.Helper()
	if list := s.silent(patience); len(list) > 0 {
		s.t.Errorf("%s: no answer from %v", when, list)
	}
}

func TestLanesAnswerWhetherTheyWaitOrAreBusy(t *testing.T) {
	for _, lanes := range []int{1, 8} {
		for _, spin := range []int{0, 50} {
			t.Run(fmt.Sprint(lanes, " lanes, spin ", spin), func(t *testing.T) {
				o := loopOptions{lanes: lanes, spin: spin}
				a, b := loopback(t, 1, o), loopback(t, 2, o)
				meet(t, a, b)
				settled(t, a, b)
				for range 3 {
					a.answers("idle")
				}
				x := newTraffic(a, b, 8)
				for range 3 {
					x.send(3)
					a.answers("sending")
					b.answers("receiving")
					x.await()
				}
				x.check()
			})
		}
	}
}

func TestLanesAnswerWithEveryDeviceThatIsAttached(t *testing.T) {
	x := newSwap(t, loopOptions{})
	polled := func() tun.Device { return memory(t, 1, joinsAll) }
	blocking := func() tun.Device { return tun.NewMemory("weft0", 9000) }
	for i, next := range []func() tun.Device{blocking, blocking, polled, blocking} {
		x.attach(next())
		x.a.answers(fmt.Sprint("with device ", i+1))
		x.flowing(fmt.Sprint("device ", i+1))
		x.a.answers(fmt.Sprint("after packets through device ", i+1))
	}
}

func TestLanesThatLostTheirDeviceAnswer(t *testing.T) {
	a, b := loopback(t, 1, loopOptions{}), loopback(t, 2, loopOptions{})
	meet(t, a, b)
	dev := newFading(t, 1)
	check(t, a.router.Attach(dev))
	dev.lose(t, 0)
	await(t, "lost", a.router.DeviceLost)
	a.answers("without a device")
}

func TestLoopsThatCannotBeWokenHaveAnsweredWhileTheyWait(t *testing.T) {
	bubble(t, simnet.Options{}, func(t *testing.T, w *world) {
		a, b := w.side(1), w.side(2)
		w.join(a, b)
		began := time.Now()
		a.answers("idle")
		a.inject(udp(pod(1), pod(2), "a packet"))
		a.answers("with traffic")
		if took := time.Since(began); took != 0 {
			t.Errorf("it took %v, where nothing needs time", took)
		}
	})
}

// clogged is a device whose Write waits for its gate.
type clogged struct {
	*tun.Memory
	entered chan struct{} // tells of each Write that begins
	gate    chan struct{}
}

// Queues implements tun.Device.
func (c *clogged) Queues() []tun.Queue { return []tun.Queue{c} }

// Write implements tun.Queue.
func (c *clogged) Write(batch []packet.Superpacket) (int, error) {
	c.entered <- struct{}{}
	<-c.gate
	return c.Memory.Write(batch)
}

func TestALoopThatHangsIsNamedUntilItGoesOn(t *testing.T) {
	bubble(t, simnet.Options{}, func(t *testing.T, w *world) {
		a, b := w.side(1), w.side(2)
		w.join(a, b)
		dev := &clogged{Memory: tun.NewMemory("weft0", 9000), entered: make(chan struct{}, 1), gate: make(chan struct{})}
		check(t, a.router.Attach(dev))
		a.answers("before")
		b.inject(udp(pod(2), pod(1), "nobody takes this"))
		<-dev.entered
		for range 2 {
			if got := a.silent(time.Second); !slices.Equal(got, []string{"lane 0"}) {
				t.Errorf("no answer from %v, want lane 0", got)
			}
		}
		b.answers("the other side")
		close(dev.gate)
		a.answers("after")
	})
}

func TestALoopThatHangsInAPolledLaneIsNamedAndTheOthersAnswer(t *testing.T) {
	a, b := loopback(t, 1, loopOptions{lanes: 3}), loopback(t, 2, loopOptions{lanes: 3})
	meet(t, a, b)
	dev := newStuck(t, 3, 1)
	check(t, a.router.Attach(dev))
	a.answers("before")
	b.put(1, packet.Superpacket{Data: udp(pod(2), pod(1), "nobody takes this")})
	<-dev.entered
	await(t, "lane 1 alone silent", func() bool { return slices.Equal(a.silent(20*time.Millisecond), []string{"lane 1"}) })
	close(dev.gate)
	a.answers("after")
}

// stuck is a device that can be polled; the Write of one of its queues waits for the gate.
type stuck struct {
	*tun.PolledMemory
	queues  []tun.Queue
	entered chan struct{} // closed by the first Write that waits
	gate    chan struct{}
}

type stuckQueue struct {
	*tun.MemoryQueue
	dev *stuck
}

func newStuck(t *testing.T, queues, which int) *stuck {
	t.Helper()
	d := &stuck{PolledMemory: memory(t, queues, joinsAll), entered: make(chan struct{}), gate: make(chan struct{})}
	for i := range queues {
		d.queues = append(d.queues, d.PolledMemory.Queue(i))
	}
	d.queues[which] = &stuckQueue{d.PolledMemory.Queue(which), d}
	return d
}

// Queues implements tun.Device.
func (d *stuck) Queues() []tun.Queue { return d.queues }

// Write implements tun.Queue.
func (q *stuckQueue) Write(batch []packet.Superpacket) (int, error) {
	select {
	case <-q.dev.gate:
	default:
		close(q.dev.entered)
		<-q.dev.gate
	}
	return q.MemoryQueue.Write(batch)
}

// gated is a port whose Send waits for the gate once it is shut.
type gated struct {
	*tap
	shut    atomic.Bool
	entered chan struct{} // tells of the Sends that wait
	gate    chan struct{}
}

// Lanes implements encap.Port.
func (g *gated) Lanes() []encap.Conn { return []encap.Conn{g} }

// Send implements encap.Conn.
func (g *gated) Send(trains []encap.Train) encap.SendResult {
	if g.shut.Load() {
		g.entered <- struct{}{}
		<-g.gate
	}
	return g.tap.Send(trains)
}

func TestADeviceLoopThatHangsIsNamed(t *testing.T) {
	bubble(t, simnet.Options{}, func(t *testing.T, w *world) {
		a, b := w.side(1), w.side(2)
		a.stop()
		a.dev = tun.NewMemory("weft0", 9000)
		port := &gated{
			tap: &tap{port: a.host.ListenUDP(testPort)}, entered: make(chan struct{}, 16), gate: make(chan struct{}),
		}
		a.run(a.dev, port)
		w.join(a, b)
		port.shut.Store(true)
		a.inject(udp(pod(1), pod(2), "waits in Send"))
		<-port.entered
		got := a.silent(time.Second) // control may wait in Send, too
		if !slices.Contains(got, "lane 0 (device)") || slices.Contains(got, "lane 0") {
			t.Errorf("no answer from %v, want the loop of the device, and not that of the port", got)
		}
		close(port.gate)
		a.answers("after")
	})
}

func TestAControlGoroutineThatHangsIsNamed(t *testing.T) {
	bubble(t, simnet.Options{}, func(t *testing.T, w *world) {
		a := w.side(1)
		gate := make(chan struct{})
		for range 100 { // more than its mailbox holds
			if !a.router.post(func() { <-gate }) {
				break
			}
		}
		if got := a.silent(time.Second); !slices.Equal(got, []string{"control"}) {
			t.Errorf("no answer from %v, want control", got)
		}
		close(gate)
		a.answers("after")
	})
}

func TestARouterThatStoppedSaysSo(t *testing.T) {
	bubble(t, simnet.Options{}, func(t *testing.T, w *world) {
		a := w.side(1)
		a.answers("while it runs")
		a.stop()
		if err := a.router.Pulse(t.Context()); !errors.Is(err, ErrStopped) {
			t.Errorf("Pulse = %v", err)
		}
	})
}

func TestAPulseWaitsForAnotherUntilItsContextEnds(t *testing.T) {
	bubble(t, simnet.Options{}, func(t *testing.T, w *world) {
		a := w.side(1)
		a.router.pulses.asking <- struct{}{}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := a.router.Pulse(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Pulse = %v", err)
		}
		<-a.router.pulses.asking
		a.answers("after")
	})
}
