package router

import (
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weftnet/weft/encap"
)

// callsBack is a side whose build answers dial-backs.
func callsBack(s *side) { s.local.Settings.Capabilities = encap.CapDialBack }

func TestARequestToCallBackAndItsAnswerTravelByThePath(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1, callsBack), w.side(2, callsBack)
		w.join(a, b)
		for _, kind := range []encap.ControlKind{encap.DialRequest, encap.DialResponse} {
			if err := a.router.SendDial(b.id(), kind, encap.DialBody{ID: uint64(kind)}); err != nil {
				t.Fatal(err)
			}
			within(t, time.Second, "the frame is there", func() bool { return len(b.dialed()) == int(kind-encap.DialRequest)/2+1 })
		}
		for i, kind := range []encap.ControlKind{encap.DialRequest, encap.DialResponse} {
			got := b.dialed()[i]
			if got.Kind != kind || got.From != a.id() || got.At != a.endpoint().Addr || got.Body.ID != uint64(kind) {
				t.Errorf("%+v", got)
			}
		}
	})
}

func TestACallFromAStrangePortIsHeardAndMovesNoPath(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1, callsBack), w.side(2, callsBack)
		w.join(a, b)
		frame, err := b.router.SealDialBack(a.id(), encap.DialBody{ID: 9, To: a.endpoint().Addr})
		if err != nil {
			t.Fatal(err)
		}
		conn, err := b.host.DialContext(t.Context(), "udp", a.endpoint().Addr.String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.Write(frame); err != nil {
			t.Fatal(err)
		}
		within(t, time.Second, "the call is heard", func() bool { return len(a.dialed()) == 1 })
		call := a.dialed()[0]
		if call.Kind != encap.DialBack || call.From != b.id() || call.Body.ID != 9 || call.At.Addr() != addr4(2) || call.At.Port() == testPort {
			t.Errorf("%+v", call)
		}
		synctest.Wait()
		if at := a.peer(b).Endpoint; at != b.endpoint().Addr || a.count(PathMoved) != 0 {
			t.Errorf("the path leads to %v", at)
		}
	})
}

func TestOnlyPeersThatKnowDialBacksAndAreReachedAreAsked(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b, c := w.side(1, callsBack), w.side(2), w.side(3, callsBack)
		w.join(a, b)
		a.set(b, c)
		for peer, want := range map[*side]error{b: ErrPeerOlder, c: ErrPeerDown} {
			if err := a.router.SendDial(peer.id(), encap.DialRequest, encap.DialBody{}); !errors.Is(err, want) {
				t.Errorf("request to %s: %v, want %v", peer.name, err, want)
			}
			if _, err := a.router.SealDialBack(peer.id(), encap.DialBody{}); !errors.Is(err, want) {
				t.Errorf("call to %s: %v, want %v", peer.name, err, want)
			}
		}
	})
}

func TestABodyOfADialBackThatCannotBeReadIsABadFrame(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1, callsBack), w.side(2, callsBack)
		w.join(a, b)
		for _, kind := range []encap.ControlKind{encap.DialRequest, encap.DialBack, encap.DialResponse} {
			before := a.router.Counters().Dropped[BadFrame]
			frame, err := b.internal(a).session.Current().SealControl(nil, kind, []byte("?"))
			if err != nil {
				t.Fatal(err)
			}
			b.sendRaw(a, 0, frame)
			within(t, time.Second, "it is dropped", func() bool { return a.router.Counters().Dropped[BadFrame] == before+1 })
		}
	})
}

func TestAPeersClockIsKnownFromItsProbes(t *testing.T) {
	x := newCouple(t, byHand{}, joinsAll)
	for _, ahead := range []time.Duration{time.Hour, -time.Minute} {
		body := encap.ProbeBody{ID: 1, Clock: time.Now().Add(ahead).UnixMilli()}
		frame, err := x.a.known(x.b).session.Current().SealControl(nil, encap.Probe, body.Append(nil))
		check(t, err)
		x.b.lane(0).inbound([]encap.Datagram{{From: encap.Endpoint{Addr: x.path()}, Data: frame}})
		x.b.router.handleControl(<-x.b.router.control)
		s := x.b.known(x.a).status(x.b.router)
		if off := s.Skew - ahead; !s.SkewSaid || off < -time.Second || off > time.Second {
			t.Errorf("a clock %v ahead is seen as %v ahead", ahead, s.Skew)
		}
	}
}

func TestAnOlderPeersClockIsNotKnown(t *testing.T) {
	x := newCouple(t, byHand{}, joinsAll)
	x.probe(encap.Probe, netip.AddrPort{}, encap.Endpoint{Addr: x.path()})
	if s := x.b.known(x.a).status(x.b.router); s.SkewSaid {
		t.Errorf("%+v", s)
	}
}
