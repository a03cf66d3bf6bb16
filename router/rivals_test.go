package router

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/encap"
)

// comparing is a side that compares the endpoints of its peers.
func comparing(s *side) {
	s.local.Settings.Capabilities |= encap.CapCompare
	s.config.Capabilities = s.local.Settings.Capabilities
}

// twin is a side with an address of each family, the order of which is that in which it is called.
func (w *world) twin(i int, changes ...change) *side {
	return w.side(i, append([]change{at(addr6(i), addr4(i)), comparing}, changes...)...)
}

// reaches reports whether a side reaches another at that address.
func (s *side) reaches(p *side, at netip.Addr) bool { return s.peer(p).Endpoint.Addr() == at }

func TestTheDirectPathMovesToTheEndpointThatIsNearerAndNothingIsLost(t *testing.T) {
	modes(t, func(t *testing.T, mode change) {
		bubble(t, lan, func(t *testing.T, w *world) {
			w.net.SetLink(addr4(1), addr4(2), 20*time.Millisecond, false)
			w.net.SetLink(addr6(1), addr6(2), 10*time.Millisecond, false)
			a, b := w.side(1, at(addr4(1), addr6(1)), comparing, mode), w.side(2, at(addr4(2), addr6(2)), comparing, mode)
			w.join(a, b)
			there, back := w.flow(a, b, time.Millisecond), w.flow(b, a, time.Millisecond)
			took := within(t, 30*time.Second, "both at the nearer one", func() bool {
				collect(there, back)
				return a.reaches(b, addr6(2)) && b.reaches(a, addr6(1))
			})
			t.Logf("both at the nearer one after %v", took)
			time.Sleep(500 * time.Millisecond)
			there.end()
			back.end()
			collect(there, back)
			time.Sleep(10 * time.Minute)
			if there.lost() > 0 || back.lost() > 0 || len(there.bad)+len(back.bad) > 0 {
				t.Errorf("%d and %d packets were lost", there.lost(), back.lost())
			}
			for _, s := range []*side{a, b} {
				if n := s.count(PathMoved); n != 1 {
					t.Errorf("%s: %d moves", s.name, n)
				}
				if drops := s.drops(); len(drops) > 0 {
					t.Errorf("%s: drops %v", s.name, drops)
				}
			}
		})
	})
}

func TestStatusSaysWhichEndpointsWereComparedAndWhyThisOneIsTaken(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		w.net.SetLink(addr4(1), addr4(2), 20*time.Millisecond, false)
		w.net.SetLink(addr6(1), addr6(2), 0, true)
		a, b := w.twin(1), w.twin(2)
		w.join(a, b)
		time.Sleep(time.Minute)
		s := a.peer(b)
		if len(s.Candidates) != 2 || !s.Candidates[0].Present || s.Candidates[0].RTT != 40*time.Millisecond || s.Candidates[1].Silent.IsZero() ||
			s.EndpointWhy != "it answered first" {
			t.Errorf("candidates %+v: %s", s.Candidates, s.EndpointWhy)
		}
		w.net.SetLink(addr6(1), addr6(2), time.Millisecond, false)
		within(t, 10*time.Minute, "moved", func() bool { return a.reaches(b, addr6(2)) && b.reaches(a, addr6(1)) })
		whys := []string{a.peer(b).EndpointWhy, b.peer(a).EndpointWhy}
		slices.Sort(whys)
		if !strings.Contains(whys[0], "2.0 ms") || !strings.Contains(whys[0], "40.0 ms") || whys[1] != "the peer chose it" {
			t.Errorf("%q", whys)
		}
	})
}

func TestThePathReturnsToTheFamilyWithMoreRoomWhenItWorksAgain(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1, at(addr4(1), addr6(1)), comparing), w.side(2, at(addr4(2), addr6(2)), comparing)
		w.join(a, b)
		f := w.flow(a, b, 10*time.Millisecond)
		w.net.SetLink(addr4(1), addr4(2), 0, true)
		within(t, 20*time.Second, "by IPv6", func() bool { return a.reaches(b, addr6(2)) && b.reaches(a, addr6(1)) })
		w.net.SetLink(addr4(1), addr4(2), 0, false)
		took := within(t, 2*time.Minute, "by IPv4", func() bool { return a.reaches(b, addr4(2)) && b.reaches(a, addr4(1)) })
		t.Logf("back after %v", took)
		f.end()
	})
}

func TestTwoThatDisagreeAtFirstTakeOneWayInTheEnd(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1, at(addr4(1), addr6(1)), comparing), w.side(2, at(addr6(2), addr4(2)), comparing)
		w.join(a, b)
		time.Sleep(time.Minute)
		if a.peer(b).Endpoint.Addr().Is4() != b.peer(a).Endpoint.Addr().Is4() {
			t.Errorf("a sends to %v, and b to %v", a.peer(b).Endpoint, b.peer(a).Endpoint)
		}
		moves := a.count(PathMoved) + b.count(PathMoved)
		time.Sleep(time.Hour)
		if n := a.count(PathMoved) + b.count(PathMoved); n != moves {
			t.Errorf("%d more moves in an hour", n-moves)
		}
	})
}

func TestAnOlderPeerIsNotMeasured(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		w.net.SetLink(addr4(1), addr4(2), 20*time.Millisecond, false)
		a, b := w.side(1, at(addr4(1), addr6(1)), comparing), w.side(2, at(addr4(2), addr6(2)))
		w.join(a, b)
		time.Sleep(10 * time.Minute)
		if n := a.count(PathMoved) + b.count(PathMoved); n != 0 || a.peer(b).Candidates != nil {
			t.Errorf("%d moves; candidates %+v", n, a.peer(b).Candidates)
		}
	})
}

// An address that only one end knows of the other is found by that end's probes, whichever of the two decides.
func TestAWayThatOnlyOneEndKnowsIsTakenByBoth(t *testing.T) {
	for _, known := range []int{1, 2} {
		bubble(t, lan, func(t *testing.T, w *world) {
			w.net.SetLink(addr4(1), addr4(2), 20*time.Millisecond, false)
			sides := []*side{w.twin(1), w.twin(2)}
			sides[known-1].config.Endpoints = []netip.AddrPort{netip.AddrPortFrom(addr6(known), testPort), netip.AddrPortFrom(addr4(known), testPort)}
			other := sides[2-known]
			other.config.Endpoints = []netip.AddrPort{netip.AddrPortFrom(addr4(other.number), testPort)}
			w.net.SetLink(addr6(1), addr6(2), time.Millisecond, true)
			w.join(sides...)
			time.Sleep(10 * time.Second)
			w.net.SetLink(addr6(1), addr6(2), time.Millisecond, false)
			a, b := sides[0], sides[1]
			within(t, 15*time.Minute, "both by IPv6", func() bool { return a.reaches(b, addr6(2)) && b.reaches(a, addr6(1)) })
		})
	}
}

func TestAnotherOrderOfEndpointsStartsNoRound(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.twin(1), w.twin(2)
		w.join(a, b)
		time.Sleep(time.Minute)
		p := a.internal(b)
		probes := func() (n uint64) {
			check(t, a.router.call(func() { n = p.probes.last }))
			return n
		}
		before := probes()
		for range 60 {
			b.config.Endpoints = slices.Clone(b.config.Endpoints)
			slices.Reverse(b.config.Endpoints)
			a.set(b)
			time.Sleep(time.Second)
		}
		if n := probes() - before; n > 25 { // those of its losses, every 4 s, and of one round
			t.Errorf("%d probes in a minute", n)
		}
	})
}

// When a path comes up, both ends call all endpoints of the other at once, and hear of each other from all.
func TestAPathThatComesUpIsNotMovedByCallsFromTheOtherEndpoints(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		x := newSquare(w, comparing)
		for _, s := range []*side{x.a, x.b} {
			at(addr4(s.number), addr6(s.number))(s)
		}
		for _, s := range w.sides {
			s.set(w.sides...)
		}
		f := w.flow(x.a, x.b, 10*time.Millisecond)
		time.Sleep(time.Minute)
		for range 5 {
			w.net.Cut(x.a.host, x.b.host)
			within(t, 10*time.Second, "relayed", func() bool { return x.a.relays(x.b) && x.b.relays(x.a) })
			time.Sleep(10 * time.Second)
			w.net.Heal(x.a.host, x.b.host)
			within(t, 2*time.Minute, "straight", func() bool { return !x.a.relays(x.b) && !x.b.relays(x.a) })
			time.Sleep(20 * time.Second)
			x.b.take()
		}
		f.end()
		if n := x.a.count(PathMoved) + x.b.count(PathMoved); n > 10 {
			t.Errorf("%d moves", n)
		}
		if p, q := x.a.peer(x.b), x.b.peer(x.a); p.Endpoint.Addr().Is4() != q.Endpoint.Addr().Is4() {
			t.Errorf("a sends to %v, and b to %v", p.Endpoint, q.Endpoint)
		}
	})
}
