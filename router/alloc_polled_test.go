package router

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/packet"
	"github.com/weftnet/weft/tun"
)

// refill is a device that gives the same packets again whenever it is told to, and takes packets as a countingDevice does.
type refill struct {
	countingDevice
	load []packet.Superpacket
	full bool
}

// Queues implements tun.Device.
func (d *refill) Queues() []tun.Queue { return []tun.Queue{d} }

// TryRead implements tun.PolledQueue.
func (d *refill) TryRead() ([]packet.Superpacket, error) {
	if !d.full {
		return nil, nil
	}
	d.full = false
	return d.load, nil
}

// Descriptor implements tun.PolledQueue. Nobody waits for it.
func (d *refill) Descriptor() int { return -1 }

// turner is a node with a real socket whose lane runs for as many turns as the test wants.
type turner struct {
	*side
	dev   *refill
	turns *turnLimit
}

// turnLimit is a connection that fails when enough is done.
type turnLimit struct {
	encap.PolledConn
	enough func() bool
}

var errEnough = errors.New("enough")

// TryReceive implements encap.PolledConn.
func (c *turnLimit) TryReceive() ([]encap.Datagram, error) {
	if c.enough() {
		return nil, errEnough
	}
	return c.PolledConn.TryReceive()
}

func newTurner(t *testing.T, i int, o byHand) *turner {
	t.Helper()
	s := &turner{side: newSide(t, i), dev: &refill{countingDevice: countingDevice{joins: joinsAll}}}
	s.local.Settings.Encryption = !o.clear
	s.config.Endpoints = nil // so that nobody is called
	port, err := encap.ListenUDP(encap.UDPOptions{Listen: "127.0.0.1:0"})
	check(t, err)
	s.router = New(Config{
		Local: s.local, Device: s.dev, Port: port, Stamp: encap.Stamps(1), Log: testLogger(t), Partial: o.partial, Spin: 20,
	})
	s.turns = &turnLimit{PolledConn: s.lane(0).conn.(encap.PolledConn)}
	check(t, s.lane(0).prepare())
	t.Cleanup(func() { port.Close(); s.lane(0).finish() })
	return s
}

// run lets the lane run until enough says so; enough is asked before each turn.
func (s *turner) run(enough func() bool) {
	s.turns.enough = enough
	if err := s.lane(0).serve(s.turns, s.router.dev.Load()); err != errEnough { //nolint:errorlint // returned as it is
		panic(err)
	}
}

// acquaint makes two of them know each other.
func acquaint(t *testing.T, a, b *turner) {
	t.Helper()
	for _, s := range []*turner{a, b} {
		s.router.setTable(s.table(a.side, b.side))
	}
	for _, s := range []*turner{a, b} {
		s.config.Endpoints = []netip.AddrPort{netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), s.router.cfg.Port.Port())}
	}
	shake(t, a.side, b.side)
}

func TestPolledLanesAllocateNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for _, o := range []byHand{{}, {clear: true}, {partial: true}, {clear: true, partial: true}} {
		for name, load := range loads() {
			t.Run(o.name()+", "+name, func(t *testing.T) { checkTurns(t, o, load) })
		}
	}
}

// checkTurns moves a load from a to b: they look a few times in vain, wait, and go on.
func checkTurns(t *testing.T, o byHand, load []packet.Superpacket) {
	a, b := newTurner(t, 1, o), newTurner(t, 2, o)
	acquaint(t, a, b)
	a.dev.load = slices.Clone(load)
	sent, came := &a.lane(0).out.packets, &b.lane(0).in.packets
	waits := &b.lane(0).turns.waits
	end := time.Now().Add(patience)
	empty := func() bool { return !a.dev.full }
	var before uint64
	arrived := func() bool {
		if time.Now().After(end) {
			t.Fatal("packets were lost")
		}
		if came.Load() < sent.Load() {
			b.lane(0).wake() // a wait ends at once
			return false
		}
		return waits.Load() > before
	}
	n := testing.AllocsPerRun(20, func() {
		a.dev.full, before = true, waits.Load()
		a.run(empty)
		b.lane(0).wake()
		b.run(arrived)
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
	if sent.Load() == 0 || sent.Load() != came.Load() || len(a.drops())+len(b.drops()) != 0 {
		t.Errorf("%d packets sent, %d came, dropped %v and %v", sent.Load(), came.Load(), a.drops(), b.drops())
	}
}
