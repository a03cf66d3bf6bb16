package router

import (
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

// turner is a node with a real socket whose lane is driven turn by turn.
type turner struct {
	*side
	dev *refill
}

func newTurner(t *testing.T, i int, o byHand) *turner {
	t.Helper()
	s := &turner{newSide(t, i), &refill{countingDevice: countingDevice{joins: joinsAll}}}
	s.local.Settings.Encryption = !o.clear
	s.config.Endpoints = nil // so that nobody is called
	port, err := encap.ListenUDP(encap.UDPOptions{Listen: "127.0.0.1:0"})
	check(t, err)
	s.router = New(Config{
		Local: s.local, Device: s.dev, Port: port, Stamp: encap.Stamps(1), Log: testLogger(t), Partial: o.partial, Spin: 20,
	})
	check(t, s.lane(0).prepare())
	t.Cleanup(func() { port.Close(); s.lane(0).finish() })
	return s
}

// turn is one turn of the lane's loop.
func (s *turner) turn() (moved bool) {
	l := s.lane(0)
	received, err := l.receive(l.conn.(encap.PolledConn))
	if err != nil {
		panic(err)
	}
	read := l.read(s.router.dev.Load(), s.dev)
	if received || read {
		l.spin.worked()
		return true
	}
	l.pause()
	return false
}

// rest takes turns until the lane has waited, for a wake that comes before.
func (s *turner) rest() {
	s.lane(0).wake()
	for before := s.lane(0).turns.waits.Load(); s.lane(0).turns.waits.Load() == before; {
		s.turn()
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

func TestTurnsOfPolledLanesAllocateNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for _, o := range []byHand{{}, {clear: true}, {partial: true}, {clear: true, partial: true}} {
		for name, load := range loads() {
			t.Run(o.name()+", "+name, func(t *testing.T) {
				a, b := newTurner(t, 1, o), newTurner(t, 2, o)
				acquaint(t, a, b)
				a.dev.load = slices.Clone(load)
				turns := func() {
					a.dev.full = true
					a.turn()
					for end := time.Now().Add(patience); b.router.lanes[0].in.packets.Load() < a.router.lanes[0].out.packets.Load(); {
						if b.turn(); time.Now().After(end) {
							t.Fatal("packets were lost")
						}
					}
					b.rest()
					a.rest()
				}
				if n := testing.AllocsPerRun(20, turns); n != 0 {
					t.Errorf("%v allocations", n)
				}
				if n := a.router.Counters().Out.Packets; n == 0 || len(a.drops())+len(b.drops()) != 0 {
					t.Errorf("%d packets, dropped %v and %v", n, a.drops(), b.drops())
				}
			})
		}
	}
}
