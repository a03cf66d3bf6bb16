package router

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/encap"
)

// hidden is a side whose claim names an address where nobody is: it calls others, and nobody calls it.
func hidden(s *side) {
	s.local.Settings.Capabilities |= encap.CapCandidates
	s.config.Endpoints = []netip.AddrPort{netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(s.number)}), testPort)}
}

// apart are two nodes that neither can call, and a relay between them.
func apart(w *world, changes ...change) (a, b, relay *side) {
	hide := append(changes, hidden)
	a, b, relay = w.side(1, hide...), w.side(2, hide...), w.side(3, changes...)
	for _, s := range []*side{a, b, relay} {
		var others []*side
		for _, o := range w.sides {
			if o != s {
				others = append(others, o)
			}
		}
		s.set(others...)
	}
	within(w.t, 20*time.Second, "they reach each other through the relay", func() bool { return a.relays(b) && b.relays(a) })
	return a, b, relay
}

// tells lets a side tell where it is.
func (s *side) tells(at ...netip.AddrPort) { s.router.SetCandidates(at, nil) }

func TestTwoThatOnlyARelayReachesFindADirectPathByTheirCandidates(t *testing.T) {
	modes(t, func(t *testing.T, mode change) {
		bubble(t, lan, func(t *testing.T, w *world) {
			a, b, _ := apart(w, mode)
			took := within(t, 10*time.Second, "direct", func() bool { return !a.relays(b) && !b.relays(a) && a.up(b) && b.up(a) })
			t.Logf("direct after %v", took)
			if at := a.peer(b).Endpoint; at.Addr() != addr4(2) {
				t.Errorf("the path leads to %v", at)
			}
			if why := a.peer(b).NoDirect; why != "" {
				t.Errorf("it says %q", why)
			}
		})
	})
}

func TestWhereNoCandidateAnswersStatusSaysWhichWereCalled(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b, _ := apart(w)
		w.net.Cut(a.host, b.host)
		nowhere := netip.MustParseAddrPort("198.51.100.77:9338")
		b.tells(nowhere)
		within(t, time.Minute, "the reason", func() bool { return strings.Contains(a.peer(b).NoDirect, nowhere.String()) })
		if s := a.peer(b); !s.Up || !s.IsRelayed() {
			t.Errorf("b is %+v", s)
		}
	})
}

func TestAnEndpointThatMayNotBeCalledIsNotCalled(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a := w.side(1)
		for _, at := range []netip.AddrPort{encap.RelayedEndpoint(7).Addr, netip.MustParseAddrPort("10.244.0.1:1")} {
			a.router.cfg.Callable = func(at netip.AddrPort) bool { return !at.Addr().IsPrivate() }
			if a.router.mayPunch(at) {
				t.Errorf("%v may be called", at)
			}
		}
	})
}
