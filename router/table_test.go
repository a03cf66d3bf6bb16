package router

import (
	"bytes"
	"errors"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/packet"
	"github.com/weftnet/weft/pmtu"
	"github.com/weftnet/weft/tun"
)

func TestSetTwiceChangesNothing(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1), w.side(2)
		w.join(a, b)
		before, path := a.peer(b), a.internal(b).path.Load()
		a.tap.record()
		for range 3 {
			a.set(b)
			synctest.Wait()
		}
		if after := a.peer(b); !reflect.DeepEqual(before, after) || a.internal(b).path.Load() != path {
			t.Errorf("before %+v\nafter  %+v", before, after)
		}
		if n := len(a.tap.frames()); n != 0 {
			t.Errorf("%d frames were sent", n)
		}
		if n := a.count(PathDown); n != 0 {
			t.Errorf("path down %d times", n)
		}
	})
}

func TestSetForgetsAPeerThatIsNotNamedWithItsSession(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b, c := w.side(1), w.side(2), w.side(3, older) // which says nothing unasked
		w.join(a, b, c)
		a.set(b)
		if _, e := a.last(PathDown); e.Peer != c.id() {
			t.Errorf("told that %q is down", e.Name)
		}
		if list, _ := a.router.Peers(); len(list) != 1 || list[0].ID != b.id() {
			t.Errorf("peers are %+v", list)
		}
		before := a.router.Counters().Dropped
		a.inject(udp(pod(1), pod(3), "to c"))
		c.inject(udp(pod(3), pod(1), "from c"))
		time.Sleep(10 * time.Millisecond)
		if got := grown(before, a.router.Counters().Dropped); got[NoRoute] != 1 || got[UnknownIndex] != 1 {
			t.Errorf("dropped %v, want one without route and one without session", got)
		}
		if !a.carries(b) || !b.carries(a) {
			t.Error("the peer that stayed is not reached")
		}
		a.set(b, c)
		within(t, 8*time.Second, "c is back", func() bool { return allUp(a, c) && a.carries(c) && c.carries(a) })
	})
}

func TestAPrefixThatMovesToAnotherPeerMovesWithoutTouchingPaths(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b, c := w.side(1), w.side(2), w.side(3)
		w.join(a, b, c)
		extra := netip.MustParsePrefix("10.244.77.0/24")
		for _, owner := range []*side{b, c} {
			for _, s := range []*side{b, c} {
				s.config.Prefixes = []netip.Prefix{subnet4(s.number)}
			}
			owner.config.Prefixes = append(owner.config.Prefixes, extra)
			for _, s := range w.sides {
				s.set(w.sides...)
			}
			a.inject(udp(pod(1), netip.MustParseAddr("10.244.77.1"), "to the owner"))
			time.Sleep(10 * time.Millisecond)
			if got := owner.payloads(); !slices.Equal(got, []string{"to the owner"}) {
				t.Errorf("%s got %q", owner.name, got)
			}
		}
		if n := a.count(PathDown) + b.count(PathDown) + c.count(PathDown); n != 0 {
			t.Errorf("paths down %d times", n)
		}
	})
}

func TestANewEndpointOfAPeerThatIsDownIsCalledAtOnce(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1), w.side(2, at(addr4(22)))
		wrong := b.config
		b.config.Endpoints = []netip.AddrPort{netip.AddrPortFrom(addr4(99), testPort)}
		a.set(b)
		time.Sleep(time.Minute)
		b.config = wrong
		a.set(b)
		b.set() // knows nobody yet: a has to be let in later
		b.set(a)
		within(t, 500*time.Millisecond, "b is up", func() bool { return a.up(b) })
	})
}

func TestAPeerWithoutEndpointsIsDownAndSaysWhy(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1), w.side(2)
		b.config.Endpoints = nil
		a.set(b)
		time.Sleep(time.Second)
		if s := a.peer(b); s.Up || s.Reason == "" || len(s.Tried) != 0 {
			t.Errorf("peer is %+v", s)
		}
	})
}

func TestOneSideThatKnowsTheOthersEndpointIsEnough(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1), w.side(2)
		a.config.Endpoints = nil
		a.set(b)
		b.set(a)
		within(t, time.Second, "both up", func() bool { return allUp(a, b) })
		if !b.carries(a) || !a.carries(b) {
			t.Error("nothing goes through")
		}
	})
}

func TestStatusSaysHowAPeerIsReached(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1), w.side(2, func(s *side) { s.local.Settings.MTU = 1400 })
		w.join(a, b)
		s := a.peer(b)
		want := PeerStatus{
			ID: b.id(), Name: b.name, Up: true, Since: s.Since, Endpoint: b.config.Endpoints[0], Last: b.config.Endpoints[0], Local: addr4(1), RTT: 2 * time.Millisecond,
			Heard: s.Heard, SeenAs: a.config.Endpoints[0], Sealed: true, Version: 1, Cipher: s.Cipher, MTU: 1400, KeysBorn: s.KeysBorn,
			Prefixes: b.config.Prefixes, SkewSaid: true, EndpointWhy: "it answered first", PathMTU: 1400, InnerMTU: 1340, MTUKnown: pmtu.Link, History: s.History, Why: "direct", Pathed: s.Pathed, Secret: a.local.Ring.First().ClusterID,
		}
		if !reflect.DeepEqual(s, want) {
			t.Errorf("peer is\n%+v, want\n%+v", s, want)
		}
		if s.Cipher == "" || s.Since.IsZero() || s.Heard.IsZero() || s.KeysBorn.IsZero() {
			t.Errorf("not all is said: %+v", s)
		}
	})
}

// Everything that every node sends is looked at, from before the first packet to after a restart, a cut and a rekey.
func TestWithEncryptionNoDataFrameIsEverInClear(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		often := timing(Timing{Rekey: 5 * time.Second})
		a, b := w.side(1, often), w.side(2, often)
		taps := []*tap{a.tap, b.tap}
		a.tap.record()
		b.tap.record()
		there, back := w.flow(a, b, 10*time.Millisecond), w.flow(b, a, 10*time.Millisecond) // before any session
		time.Sleep(time.Second)
		a.set(b)
		b.set(a)
		time.Sleep(12 * time.Second)
		w.net.Cut(a.host, b.host)
		time.Sleep(5 * time.Second)
		w.net.Heal(a.host, b.host)
		time.Sleep(10 * time.Second)
		there.end()
		back.end()
		b.crash()
		b.start()
		b.tap.record()
		taps = append(taps, b.tap)
		there, back = w.flow(a, b, 10*time.Millisecond), w.flow(b, a, 10*time.Millisecond)
		b.set(a)
		time.Sleep(3 * time.Second)
		there.end()
		back.end()
		for _, tap := range taps {
			checkSealed(t, tap.frames())
		}
	})
}

func checkSealed(t *testing.T, frames [][]byte) {
	t.Helper()
	data := 0
	for _, f := range frames {
		if encap.Type(f[0]&15) == encap.Data {
			data++
		}
		if encap.Type(f[0]&15) == encap.Data && f[1]&encap.FlagClear != 0 || bytes.Contains(f, []byte("node-1 to node-2")) || bytes.Contains(f, []byte("node-2 to node-1")) {
			t.Fatalf("in clear: %q", f)
		}
	}
	if data == 0 {
		t.Error("no data frame at all was seen")
	}
}

// losable is a device that somebody can delete.
type losable struct {
	*tun.Memory
	gone chan struct{}
}

func newLosable() *losable { return &losable{tun.NewMemory("weft0", 9000), make(chan struct{})} }

func (d *losable) lose() {
	close(d.gone)
	d.Memory.Close()
}

// Queues implements tun.Device.
func (d *losable) Queues() []tun.Queue { return []tun.Queue{d} }

// Read implements tun.Queue.
func (d *losable) Read() ([]packet.Superpacket, error) {
	batch, err := d.Memory.Read()
	if err != nil && d.isGone() {
		return nil, tun.ErrGone
	}
	return batch, err
}

// Write implements tun.Queue.
func (d *losable) Write(batch []packet.Superpacket) (int, error) {
	if d.isGone() {
		return 0, tun.ErrGone
	}
	return d.Memory.Write(batch)
}

func (d *losable) isGone() bool {
	select {
	case <-d.gone:
		return true
	default:
		return false
	}
}

// attach gives the side a new device.
func (s *side) attach() *losable {
	s.t.Helper()
	d := newLosable()
	s.dev = d.Memory
	if err := s.router.Attach(d); err != nil {
		s.t.Fatal(err)
	}
	return d
}

func TestALostDeviceIsToldOnceAndANewOneTakesItsPlace(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1), w.side(2)
		w.join(a, b)
		d := a.attach() // in place of a device that was well: no loss
		for i := 1; i <= 3; i++ {
			if !a.carries(b) || !b.carries(a) {
				t.Fatalf("nothing goes through the device number %d", i)
			}
			d.lose()
			time.Sleep(10 * time.Millisecond)
			if n, e := a.last(DeviceLost); n != i || e.Reason == "" {
				t.Fatalf("told %d times of %d losses: %+v", n, i, e)
			}
			before := a.router.Counters().Dropped[DeviceRefused]
			b.inject(udp(pod(2), pod(1), "nobody takes this"))
			time.Sleep(10 * time.Millisecond)
			if n := a.router.Counters().Dropped[DeviceRefused] - before; n != 1 {
				t.Errorf("%d packets refused, want 1", n)
			}
			d = a.attach()
		}
		if n := a.count(PathDown) + b.count(PathDown); n != 0 {
			t.Errorf("paths down %d times", n)
		}
	})
}

func TestTheDeviceBeforeIsClosedByAttachAndTheLastOneByTheStop(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a := w.side(1)
		first := a.dev
		second := a.attach()
		if err := first.Inject(packet.Superpacket{Data: udp(pod(1), pod(2), "")}); err == nil {
			t.Error("the first device is open")
		}
		a.stop()
		if err := second.Inject(packet.Superpacket{Data: udp(pod(1), pod(2), "")}); err == nil {
			t.Error("the second device is open")
		}
		third := newLosable()
		if err := a.router.Attach(third); !errors.Is(err, ErrStopped) {
			t.Errorf("Attach after the stop = %v", err)
		}
	})
}

func TestAnAttachDuringTheStopLeavesNothingRunning(t *testing.T) {
	for range 50 {
		bubble(t, lan, func(t *testing.T, w *world) {
			a := w.side(1)
			synctest.Wait()
			refused := make(chan bool, 1)
			d := newLosable()
			go func() { refused <- errors.Is(a.router.Attach(d), ErrStopped) }()
			a.stop()
			if <-refused {
				return // the caller keeps it, and closes it
			}
			if err := d.Inject(packet.Superpacket{Data: udp(pod(1), pod(2), "")}); err == nil {
				t.Error("the device that was taken is open")
			}
		})
	}
}
