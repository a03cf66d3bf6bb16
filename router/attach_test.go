package router

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weftnet/weft/packet"
	"github.com/weftnet/weft/packet/packettest"
	"github.com/weftnet/weft/tun"
)

// kernelEnd is the other side of a device's first queue.
type kernelEnd struct {
	inject  func(packet.Superpacket) error
	written <-chan packet.Superpacket
}

func endOf(dev tun.Device) kernelEnd {
	switch d := dev.(type) {
	case *tun.Memory:
		return kernelEnd{d.Inject, d.Written()}
	case *tun.PolledMemory:
		q := d.Queue(0)
		return kernelEnd{func(p packet.Superpacket) error { return q.Inject(p) }, q.Written()}
	}
	panic("no device for tests")
}

// send gives a packet to the device, in spite of all errors: it may be full or closed.
func (e *kernelEnd) send(from, to int, text string) {
	_ = e.inject(packet.Superpacket{Data: udp(pod(from), pod(to), text)})
}

// got reports whether a packet with that text has come, and takes what is before it.
func (e *kernelEnd) got(text string) bool {
	for {
		select {
		case p := <-e.written:
			if strings.HasPrefix(string(packettest.Payload(p.Data)), text) {
				return true
			}
		default:
			return false
		}
	}
}

// swap is a router that gets other devices while packets flow to and from another one.
type swap struct {
	t    *testing.T
	a, b *loopSide
	now  atomic.Pointer[kernelEnd] // of a
	far  kernelEnd                 // of b
}

func newSwap(t *testing.T, o loopOptions) *swap {
	t.Helper()
	x := &swap{t: t, a: loopback(t, 1, o), b: loopback(t, 2, o)}
	meet(t, x.a, x.b)
	x.far = endOf(x.b.mem)
	near := endOf(x.a.mem)
	x.now.Store(&near)
	return x
}

// attach gives a another device.
func (x *swap) attach(dev tun.Device) {
	x.t.Helper()
	check(x.t, x.a.router.Attach(dev))
	end := endOf(dev)
	x.now.Store(&end)
}

// flowing waits until packets get from a's present device to b, and back.
func (x *swap) flowing(what string) {
	x.t.Helper()
	n := 0
	await(x.t, what+": out", func() bool {
		n++
		x.now.Load().send(1, 2, fmt.Sprint(what, " out ", n))
		return x.far.got(what + " out")
	})
	await(x.t, what+": in", func() bool {
		n++
		x.far.send(2, 1, fmt.Sprint(what, " in ", n))
		return x.now.Load().got(what + " in")
	})
}

// pump lets packets flow both ways until the returned function is called.
func (x *swap) pump() (stop func()) {
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for tick := time.NewTicker(100 * time.Microsecond); ; {
			x.now.Load().send(1, 2, "pumped")
			x.far.send(2, 1, "pumped")
			select {
			case <-tick.C:
			case <-done:
				tick.Stop()
				return
			}
		}
	}()
	return func() { close(done); <-stopped }
}

// accounted waits until what each has sent the other has delivered, or counted as refused by its device.
func (x *swap) accounted() {
	x.t.Helper()
	at := func(s *loopSide) uint64 { return s.router.Counters().In.Packets + s.lost()[DeviceRefused] }
	await(x.t, "every packet accounted for", func() bool {
		return at(x.a) == x.b.router.Counters().Out.Packets && at(x.b) == x.a.router.Counters().Out.Packets
	})
	for _, s := range []*loopSide{x.a, x.b} {
		for reason, n := range s.lost() {
			if reason != DeviceRefused {
				x.t.Errorf("%s dropped %d as %v", s.name, n, reason)
			}
		}
	}
}

func TestPacketsFlowAgainThroughEveryDeviceThatIsAttached(t *testing.T) {
	modes := map[string]loopOptions{"sealed": {}, "clear, spinning": {clear: true, spin: 50}}
	for mode, o := range modes {
		t.Run(mode, func(t *testing.T) {
			x := newSwap(t, o)
			stop := x.pump()
			polled := func() tun.Device { return memory(t, 1, joinsAll) }
			blocking := func() tun.Device { return tun.NewMemory("weft0", 9000) }
			for i, next := range []func() tun.Device{polled, blocking, blocking, polled, polled, blocking, polled} {
				dev := next()
				x.attach(dev)
				x.flowing(fmt.Sprint("device ", i+1))
				_, wantPolled := dev.(*tun.PolledMemory)
				if got := x.a.router.Lanes()[0].Polled; got != wantPolled {
					t.Errorf("device %d is polled: %v, want %v", i+1, got, wantPolled)
				}
			}
			stop()
			x.accounted()
			if x.a.router.DeviceLost() || x.a.count(DeviceLost) != 0 {
				t.Error("a device that was well was told as lost")
			}
		})
	}
}

func TestADeviceIsAttachedToLanesThatWait(t *testing.T) {
	for _, dev := range []func() tun.Device{
		func() tun.Device { return memory(t, 1, joinsAll) }, func() tun.Device { return tun.NewMemory("weft0", 9000) },
	} {
		x := newSwap(t, loopOptions{})
		settled(t, x.a, x.b)
		first := x.a.mem
		x.attach(dev())
		if err := first.Queue(0).Inject(packet.Superpacket{Data: udp(pod(1), pod(2), "")}); err == nil {
			t.Error("the device before is open")
		}
		x.now.Load().send(1, 2, "the only one")
		await(t, "out", func() bool { return x.far.got("the only one") })
		x.far.send(2, 1, "the only one")
		await(t, "in", func() bool { return x.now.Load().got("the only one") })
	}
}

// fading is a device that somebody can delete; whether its descriptors become readable then depends.
type fading struct {
	*tun.PolledMemory
	queues []tun.Queue
	gone   atomic.Bool
	closed atomic.Bool
}

func newFading(t *testing.T, queues int) *fading {
	t.Helper()
	d := &fading{PolledMemory: memory(t, queues, tun.Joins{})}
	for i := range queues {
		d.queues = append(d.queues, &fadingQueue{d.PolledMemory.Queue(i), d})
	}
	return d
}

// Queues implements tun.Device.
func (d *fading) Queues() []tun.Queue { return d.queues }

// Close implements tun.Device. It wakes nobody who polls, which a kernel need not do either.
func (d *fading) Close() error {
	d.closed.Store(true)
	return nil
}

type fadingQueue struct {
	*tun.MemoryQueue
	dev *fading
}

// TryRead implements tun.PolledQueue.
func (q *fadingQueue) TryRead() ([]packet.Superpacket, error) {
	if q.dev.gone.Load() {
		return nil, fmt.Errorf("tun: read: %w", tun.ErrGone)
	}
	return q.MemoryQueue.TryRead()
}

// Write implements tun.Queue.
func (q *fadingQueue) Write(batch []packet.Superpacket) (int, error) {
	if q.dev.gone.Load() {
		return 0, fmt.Errorf("tun: write: %w", tun.ErrGone)
	}
	return q.MemoryQueue.Write(batch)
}

// lose deletes the device; one lane finds out at once.
func (d *fading) lose(t *testing.T, queue int) {
	t.Helper()
	d.gone.Store(true)
	check(t, d.Queue(queue).Inject(packet.Superpacket{Data: udp(pod(1), pod(2), "")}))
}

func TestALostDeviceIsGivenUpByAllLanesAndAnotherOneMendsIt(t *testing.T) {
	for _, lanes := range []int{1, 8} {
		t.Run(fmt.Sprint(lanes, " lanes"), func(t *testing.T) {
			a, b := loopback(t, 1, loopOptions{lanes: lanes}), loopback(t, 2, loopOptions{lanes: lanes})
			meet(t, a, b)
			for losses := 1; losses <= 2; losses++ {
				dev := newFading(t, lanes)
				check(t, a.router.Attach(dev))
				a.mem = dev.PolledMemory
				for queue := range lanes {
					a.reaches(b, queue)
					b.reaches(a, queue)
				}
				settled(t, a, b)
				checkLoss(t, a, b, dev, losses)
			}
		})
	}
}

// checkLoss loses a's device and looks at what follows.
func checkLoss(t *testing.T, a, b *loopSide, dev *fading, losses int) {
	t.Helper()
	before, refused := a.router.Lanes(), a.lost()[DeviceRefused]
	dev.lose(t, len(before)-1)
	await(t, "lost", a.router.DeviceLost)
	await(t, "told", func() bool { return a.count(DeviceLost) == losses })
	await(t, "given up by all lanes", func() bool { // they wait again, for frames only
		for i, l := range a.router.Lanes() {
			if l.Waits == before[i].Waits {
				return false
			}
		}
		return true
	})
	if !dev.closed.Load() {
		t.Error("it was not closed")
	}
	settled(t, a, b) // nobody looks at what is gone again and again
	for queue := range before {
		b.put(queue, packet.Superpacket{Data: udp(pod(2), pod(1), "nobody takes this")})
	}
	await(t, "all refused", func() bool { return a.lost()[DeviceRefused] == refused+uint64(len(before)) })
	if n := len(a.lost()); n != 1 || a.count(PathDown)+b.count(PathDown) != 0 {
		t.Errorf("dropped %v, paths down %d times", a.lost(), a.count(PathDown)+b.count(PathDown))
	}
}

func TestADeviceOfTooFewQueuesIsRefusedAndNothingChanges(t *testing.T) {
	a, b := loopback(t, 1, loopOptions{lanes: 3}), loopback(t, 2, loopOptions{lanes: 3})
	meet(t, a, b)
	small := memory(t, 2, joinsAll)
	if err := a.router.Attach(small); err == nil || !strings.Contains(err.Error(), "2 queues for 3 lanes") {
		t.Errorf("Attach = %v", err)
	}
	for queue := range 3 {
		a.reaches(b, queue)
		b.reaches(a, queue)
	}
	if err := small.Queue(0).Inject(packet.Superpacket{Data: udp(pod(1), pod(2), "")}); err != nil {
		t.Errorf("the refused device is not the caller's any more: %v", err)
	}
	if a.router.DeviceLost() || a.count(DeviceLost) != 0 {
		t.Error("told that the device was lost")
	}
	large := memory(t, 5, joinsAll)
	check(t, a.router.Attach(large))
	a.mem = large
	for queue := range 3 {
		a.reaches(b, queue)
		b.reaches(a, queue)
	}
}

func TestAfterTheStopAPolledDeviceStaysTheCallers(t *testing.T) {
	a := loopback(t, 1, loopOptions{})
	a.halt()
	dev := memory(t, 1, joinsAll)
	if err := a.router.Attach(dev); !errors.Is(err, ErrStopped) {
		t.Errorf("Attach = %v", err)
	}
	if err := dev.Queue(0).Inject(packet.Superpacket{Data: udp(pod(1), pod(2), "")}); err != nil {
		t.Errorf("it is closed: %v", err)
	}
	if err := a.mem.Queue(0).Inject(packet.Superpacket{Data: udp(pod(1), pod(2), "")}); err == nil {
		t.Error("the router's own is open")
	}
}

// several is a device of several queues that cannot be polled.
type several struct {
	*tun.Memory
	each   []*tun.Memory
	queues []tun.Queue
}

func newSeveral(queues int) *several {
	d := &several{Memory: tun.NewMemory("weft0", 9000)}
	for range queues {
		q := tun.NewMemory("weft0", 9000)
		d.each, d.queues = append(d.each, q), append(d.queues, q)
	}
	return d
}

// Queues implements tun.Device.
func (d *several) Queues() []tun.Queue { return d.queues }

// Close implements tun.Device.
func (d *several) Close() error {
	for _, q := range d.each {
		_ = q.Close()
	}
	return d.Memory.Close()
}

func TestEveryQueueThatCannotBePolledIsServed(t *testing.T) {
	const lanes = 3
	a, b := loopback(t, 1, loopOptions{lanes: lanes}), loopback(t, 2, loopOptions{lanes: lanes})
	meet(t, a, b)
	for range 2 {
		dev := newSeveral(lanes)
		check(t, a.router.Attach(dev))
		for i, q := range dev.each {
			check(t, q.Inject(packet.Superpacket{Data: udp(pod(1), pod(2), "out")}))
			b.get(i, 1)
			b.put(i, packet.Superpacket{Data: udp(pod(2), pod(1), "in")})
			await(t, "in", func() bool { return len(q.Written()) == 1 })
		}
		polled := memory(t, lanes, joinsAll)
		check(t, a.router.Attach(polled))
		a.mem = polled
		for i := range lanes {
			a.reaches(b, i)
			b.reaches(a, i)
		}
	}
	lossless(t, a, b)
}
