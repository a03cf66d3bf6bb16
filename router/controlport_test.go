package router

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/packet"
	"github.com/weftnet/weft/packet/packettest"
	"github.com/weftnet/weft/trust"
)

// controlCalls is how many batches came to the control port.
func (s *loopSide) controlCalls() uint64 { return s.router.controlPort.counters.calls.Load() }

// A node with a control socket and one without, of several lanes each, understand each other.
func TestControlFramesComeByThePortOfTheirOwn(t *testing.T) {
	for _, lanes := range []int{1, 3} {
		for _, both := range []bool{true, false} {
			t.Run(fmt.Sprint(lanes, " lanes, both ", both), func(t *testing.T) {
				a := loopback(t, 1, loopOptions{lanes: lanes, control: true})
				b := loopback(t, 2, loopOptions{lanes: lanes, control: both})
				if a.router.controlPort == nil {
					t.Skip("no control socket")
				}
				meet(t, a, b)
				if a.controlCalls() == 0 || both && b.controlCalls() == 0 {
					t.Error("nothing came to the control port")
				}
				if n := a.router.Counters().In.Batches; n != 0 {
					t.Errorf("%d batches came to the lanes of a", n)
				}
				for queue := range lanes {
					a.reaches(b, queue)
					b.reaches(a, queue)
				}
				lossless(t, a, b)
			})
		}
	}
}

// A lane that hangs in its device keeps no probe from being answered.
func TestProbesAreAnsweredWhileALaneHangs(t *testing.T) {
	a, b := loopback(t, 1, loopOptions{control: true}), loopback(t, 2, loopOptions{control: true})
	if a.router.controlPort == nil {
		t.Skip("no control socket")
	}
	meet(t, a, b)
	stuck := newStuck(t, 1, 0)
	check(t, b.router.Attach(stuck))
	a.put(0, packet.Superpacket{Data: udp(pod(1), pod(2), "waits in Write")})
	<-stuck.entered
	var asked uint64
	check(t, a.router.call(func() {
		r, p := a.router, a.router.peers[b.id()]
		asked = p.probes.next(r.now())
		p.rtt = 0
		r.sendProbe(p, encap.Probe, p.path.Load().endpoint, asked)
	}))
	await(t, "the probe is answered", func() bool { return a.peer(b.side).RTT != 0 })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := b.router.Pulse(ctx); err == nil {
		t.Error("the lane has answered")
	}
	close(stuck.gate)
}

// byControl is a couple whose b has a control port that is driven by hand, and lanes that can be woken.
func byControl(t *testing.T, lanes int) (x *couple, c *controlPort) {
	x = newCouple(t, byHand{lanes: lanes}, joinsAll)
	for _, l := range x.b.router.lanes {
		l.poller = newTestPoller(t)
	}
	c = newControlPort(x.b.router, new(polledSink))
	x.b.router.controlPort = c
	return x, c
}

// polledSink is a sink to which nothing comes.
type polledSink struct{ sink }

// TryReceive implements encap.PolledConn.
func (*polledSink) TryReceive() ([]encap.Datagram, error) { return nil, nil }

// Descriptor implements encap.PolledConn.
func (*polledSink) Descriptor() int { return -1 }

// Under load an initiation is answered with a cookie by the loop that took it, from the port's own socket.
func TestTheControlPortGivesTheCookiesItself(t *testing.T) {
	x, c := byControl(t, 1)
	x.b.router.limiter.loaded.Store(math.MaxInt64)
	sent := c.conn.(*polledSink).record()
	for i := range 3 {
		frame, err := x.a.known(x.b).session.Initiate(time.Now())
		check(t, err)
		c.inbound([]encap.Datagram{{From: x.b.from(x.a), Data: frame}})
		c.giveCookies()
		got := sent.each()
		if len(got) != 1 || encap.Type(got[0][0]&15) != encap.Cookie {
			t.Fatalf("initiation %d was answered with %x", i, got)
		}
	}
	if d := x.b.drops(); d[HandshakeLimited] != 3 {
		t.Errorf("dropped %v", d)
	}
}

// A train that the kernel has joined is of the socket that its first frame belongs to.
func TestAFrameWithAPacketBehindControlFramesIsHandedToItsLane(t *testing.T) {
	x, c := byControl(t, 2)
	data := bytes.Clone(x.seal(1, "behind a control frame"))
	keys := x.a.known(x.b).session.Current()
	probe, err := keys.SealControl(nil, encap.Gossip, make([]byte, len(data)-encap.HeaderLen-encap.CounterLen-encap.TagLen-1))
	check(t, err)
	if len(probe) != len(data) {
		t.Fatalf("%d and %d bytes", len(probe), len(data))
	}
	c.inbound([]encap.Datagram{{From: x.b.from(x.a), Data: slices.Concat(probe, data), Size: len(data)}})
	if n := len(x.b.router.control); n != 1 {
		t.Errorf("control has %d frames", n)
	}
	if !x.b.lane(1).takeMail() {
		t.Error("nothing came to lane 1")
	}
	if got := written(x.dev.Queue(1)); len(got) != 1 || string(packettest.Payload(got[0].Data)) != "behind a control frame" {
		t.Errorf("%d packets", len(got))
	}
	c.inbound([]encap.Datagram{{From: x.b.from(x.a)}, {From: x.b.from(x.a), Data: []byte{encap.Version<<4 | 15, 0, 0, 0, 0, 0, 0, 0}}})
	if d := x.b.drops(); d[BadFrame] != 1 || d[UnknownType] != 1 || len(d) != 2 {
		t.Errorf("dropped %v", d)
	}
}

func TestADatagramThatPretendsToComeThroughARelayEndsAtTheControlPort(t *testing.T) {
	x, c := byControl(t, 1)
	frame, err := x.a.known(x.b).session.Current().SealControl(nil, encap.Gossip, nil)
	check(t, err)
	c.inbound([]encap.Datagram{{From: x.b.known(x.a).relayedAt, Data: frame}})
	if d := x.b.drops(); d[RelayForged] != 1 || len(d) != 1 || len(x.b.router.control) != 0 {
		t.Errorf("dropped %v", d)
	}
}

// Frames of a flood gather for a while; those of a node at work do not wait.
func TestFramesGatherOnlyUnderAFlood(t *testing.T) {
	x, c := byControl(t, 1)
	few, many := make([]encap.Datagram, calmBurst), make([]encap.Datagram, calmBurst+100)
	for _, d := range [][]encap.Datagram{few, many} {
		for i := range d {
			d[i] = encap.Datagram{From: x.b.from(x.a), Data: []byte{encap.Version<<4 | 15, 0, 0, 0, 0, 0, 0, 0}}
		}
	}
	c.inbound(few)
	if c.flooded {
		t.Error("a burst is a flood")
	}
	c.inbound(many)
	if !c.flooded {
		t.Error("a flood is none")
	}
	began := time.Now()
	c.pause()
	if took := time.Since(began); took < floodPause || c.flooded {
		t.Errorf("went on after %v", took)
	}
}

// Whoever has seen a frame of one session cannot keep those of another from control.
func TestForgedControlFramesOfASessionTakeNoRoomFromOthers(t *testing.T) {
	a, b, d := hand(t, 1, byHand{}), hand(t, 2, byHand{}), hand(t, 3, byHand{})
	introduce(t, a, b, d)
	c := newControlPort(b.router, nil)
	seen, err := a.known(b).session.Current().SealControl(nil, encap.Gossip, []byte("seen"))
	check(t, err)
	for range 2 * cap(b.router.control) {
		c.inbound([]encap.Datagram{{From: b.from(a), Data: seen}})
	}
	other, err := d.known(b).session.Current().SealControl(nil, encap.Gossip, []byte("of another"))
	check(t, err)
	c.inbound([]encap.Datagram{{From: b.from(d), Data: other}})
	if n := len(b.router.control); n != maxControlOf+1 {
		t.Errorf("%d frames wait, want %d of one session and 1 of the other", n, maxControlOf)
	}
	for b.router.takeTurn() {
	}
	for range maxControlOf {
		c.inbound([]encap.Datagram{{From: b.from(a), Data: seen}})
	}
	if n := len(b.router.control); n != maxControlOf {
		t.Errorf("%d frames wait, want %d again", n, maxControlOf)
	}
}

// A relay forges frames of a session that it carries: what comes straight still reaches control.
func TestForgedControlFramesThroughARelayLeaveRoomForWhatComesStraight(t *testing.T) {
	a, b := hand(t, 1, byHand{}), hand(t, 2, byHand{})
	introduce(t, a, b)
	c := newControlPort(b.router, nil)
	frame, err := a.known(b).session.Current().SealControl(nil, encap.Gossip, []byte("seen"))
	check(t, err)
	h, err := encap.ParseHeader(frame)
	check(t, err)
	c.through = b.known(a)
	for range 2 * maxControlOf {
		c.dispatch(b.known(a).relayedAt, h, frame)
	}
	if n := len(b.router.control); n != maxRelayedControlOf {
		t.Errorf("%d frames wait that came through a relay, want %d", n, maxRelayedControlOf)
	}
	c.through = nil
	c.inbound([]encap.Datagram{{From: b.from(a), Data: frame}})
	if n := len(b.router.control); n != maxRelayedControlOf+1 {
		t.Errorf("%d frames wait: the one that came straight does not", n)
	}
}

// What strangers can send waits behind the frames of sessions.
func TestFramesOfSessionsComeBeforeHearsay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := hand(t, 1, byHand{}), hand(t, 2, byHand{})
		introduce(t, a, b)
		var order []string
		b.router.cfg.Gossip = func(_ trust.Fingerprint, _ trust.BootNonce, packet []byte) { order = append(order, string(packet)) }
		c := newControlPort(b.router, nil)
		take := func(frame []byte) { c.inbound([]encap.Datagram{{From: b.from(a), Data: frame}}) }
		for range 20 {
			take(a.router.gossip.Seal(nil, []byte("hearsay"), time.Now()))
		}
		for range 20 {
			body := append(make([]byte, len(trust.BootNonce{})), "session"...)
			frame, err := a.known(b).session.Current().SealControl(nil, encap.Gossip, body)
			check(t, err)
			take(frame)
		}
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			synctest.Wait()
			cancel()
		}()
		check(t, b.router.runControl(ctx, nil))
		want := slices.Concat(slices.Repeat([]string{"session"}, 20), slices.Repeat([]string{"hearsay"}, 20))
		if !slices.Equal(order, want) {
			t.Errorf("taken in the order %q", order)
		}
	})
}

func TestAControlPortThatHangsIsNamed(t *testing.T) {
	x, c := byControl(t, 1)
	round := x.b.router.pulses.round.Add(1)
	if got := x.b.router.silent(round); !slices.Contains(got, "control port") {
		t.Errorf("no answer from %v", got)
	}
	c.beat.turn()
	if got := x.b.router.silent(round); slices.Contains(got, "control port") {
		t.Errorf("no answer from %v", got)
	}
}
