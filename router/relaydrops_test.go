package router

import (
	"net/netip"
	"testing/synctest"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/trust"
)

// front makes a relay frame of a's for b, around a data frame for b.
func (s *scene) front(h encap.RelayHead) []byte {
	s.t.Helper()
	keys := s.a.internal(s.b).session.Current()
	frame, err := keys.SealRelay(make([]byte, 0, 2000), &h)
	check(s.t, err)
	return append(frame, s.seal(s.good())...)
}

// nobody is the number of no node.
const nobody trust.Number = 0xdead

// further is a list of relays.
func further(numbers ...trust.Number) encap.Relays {
	list, ok := encap.RelaysOf(numbers...)
	if !ok {
		panic("too many relays")
	}
	return list
}

// fourth adds a node that b reaches.
func (s *scene) fourth() *side {
	d := s.w.side(4)
	d.set(s.b)
	s.b.set(s.a, d)
	within(s.t, time.Second, "d up", func() bool { return allUp(s.b, d) })
	time.Sleep(100 * time.Millisecond)
	return d
}

func (s *side) num() trust.Number { return s.id().Number() }

// relayDrops are frames that go through relays, or pretend to.
func relayDrops() []drop {
	list := relayedDrops()
	for _, c := range refusedHeads {
		list = append(list, inbound(c.reason, c.name, func(s *scene) []byte { return s.front(c.head(s)) }))
	}
	return list
}

// relayedDrops are those that take more than a front.
func relayedDrops() []drop {
	return []drop{
		{name: "relay-down", reason: RelayDown, outbound: true, provoke: func(s *scene) {
			s.a.sendThrough(s.b, s.c)
			s.a.inject(s.good())
		}},
		{name: "relay-down control frame", reason: RelayDown, outbound: true, provoke: func(s *scene) {
			check(s.t, s.a.router.call(func() { s.a.router.transmit([]byte{0}, s.a.known(s.b).relayedAt) }))
		}},
		{name: "relay-forged", reason: RelayForged, provoke: func(s *scene) {
			s.b.host.Readdress(addr4(2), addr6(2))
			at := encap.RelayedEndpoint(s.a.num()).Addr.Addr()
			forger := s.w.net.Host(at).ListenUDP(testPort)
			forger.Lanes()[0].Send([]encap.Train{{To: encap.Endpoint{Addr: netip.AddrPortFrom(addr6(2), testPort)}, Bufs: [][]byte{s.seal(s.good())}}})
		}},
		{name: "wrong-endpoint relay frame in a clear session", reason: WrongEndpoint, mode: clear4, provoke: func(s *scene) {
			s.c.sendRaw(s.b, 0, s.front(encap.RelayHead{Source: s.a.num(), Destination: s.b.num()}))
		}},
		{name: "relay-refused", reason: RelayRefused, provoke: func(s *scene) {
			d := s.fourth()
			s.b.router.SetRelaying(Relaying{Refuse: true})
			s.send(s.front(encap.RelayHead{HopLimit: 1, Source: s.a.num(), Destination: d.num()}))
		}},
		{name: "relay-limited", reason: RelayLimited, provoke: func(s *scene) {
			d := s.fourth()
			s.b.router.SetRelaying(Relaying{Frames: 1})
			for range 2 {
				s.send(s.front(encap.RelayHead{HopLimit: 1, Source: s.a.num(), Destination: d.num()}))
				synctest.Wait()
			}
		}},
		{name: "relay-looped back to the hop", reason: RelayLooped, provoke: func(s *scene) {
			d := s.fourth()
			s.send(s.front(encap.RelayHead{HopLimit: 1, Source: d.num(), Destination: s.a.num()}))
		}},
		inbound(RelayLooped, "in another", func(s *scene) []byte {
			h := encap.RelayHead{Source: s.a.num(), Destination: s.b.num()}
			frame, err := s.a.internal(s.b).session.Current().SealRelay(make([]byte, 0, 2000), &h)
			check(s.t, err)
			return append(frame, s.front(h)...)
		}),
	}
}

// refusedHeads are fronts that verify, and what becomes of their frames.
var refusedHeads = []struct {
	reason Reason
	name   string
	head   func(s *scene) encap.RelayHead
}{
	{RelayStranger, "for this node", func(s *scene) encap.RelayHead {
		return encap.RelayHead{Source: nobody, Destination: s.b.num()}
	}},
	{RelayStranger, "for another", func(s *scene) encap.RelayHead {
		return encap.RelayHead{HopLimit: 1, Source: nobody, Destination: s.a.num()}
	}},
	{RelayNoWay, "to nobody", func(s *scene) encap.RelayHead {
		return encap.RelayHead{HopLimit: 1, Source: s.a.num(), Destination: nobody}
	}},
	{RelayNoWay, "by nobody", func(s *scene) encap.RelayHead {
		return encap.RelayHead{HopLimit: 2, Source: s.a.num(), Destination: 4, Further: further(nobody)}
	}},
	{RelayLooped, "source here", func(s *scene) encap.RelayHead {
		return encap.RelayHead{HopLimit: 1, Source: s.b.num(), Destination: s.a.num()}
	}},
	{RelayLooped, "source is destination", func(s *scene) encap.RelayHead {
		return encap.RelayHead{HopLimit: 1, Source: s.a.num(), Destination: s.a.num()}
	}},
	{RelayLooped, "by this node twice", func(s *scene) encap.RelayHead {
		return encap.RelayHead{HopLimit: 2, Source: s.a.num(), Destination: nobody, Further: further(s.b.num())}
	}},
	{RelayLooped, "by the source", func(s *scene) encap.RelayHead {
		return encap.RelayHead{HopLimit: 2, Source: s.a.num(), Destination: nobody, Further: further(s.a.num())}
	}},
	{RelayLooped, "by the destination", func(s *scene) encap.RelayHead {
		return encap.RelayHead{HopLimit: 2, Source: s.a.num(), Destination: nobody, Further: further(nobody)}
	}},
	{RelayLooped, "by another twice", func(s *scene) encap.RelayHead {
		return encap.RelayHead{HopLimit: 3, Source: s.a.num(), Destination: nobody, Further: further(5, 5)}
	}},
	{RelayLooped, "behind the destination", func(s *scene) encap.RelayHead {
		return encap.RelayHead{HopLimit: 2, Source: s.a.num(), Destination: s.b.num(), Further: further(5)}
	}},
	{RelayLooped, "over the hop limit", func(s *scene) encap.RelayHead {
		return encap.RelayHead{HopLimit: 0, Source: s.a.num(), Destination: nobody}
	}},
	{RelayLooped, "more relays than the hop limit", func(s *scene) encap.RelayHead {
		return encap.RelayHead{HopLimit: 1, Source: s.a.num(), Destination: nobody, Further: further(5)}
	}},
	{RelayLooped, "hop limit that nobody sets", func(s *scene) encap.RelayHead {
		return encap.RelayHead{HopLimit: encap.MaxRelays + 1, Source: s.a.num(), Destination: nobody}
	}},
}
