package router

import (
	"net/netip"
	"testing"

	"github.com/weftnet/weft/encap"
)

// settle runs what was posted to a node's control goroutine.
func (s *side) settle() (calls int) {
	for {
		select {
		case f := <-s.router.calls:
			f()
			calls++
		default:
			return calls
		}
	}
}

// seal makes a data frame of a's session in a lane.
func (x *couple) seal(lane uint8, text string) []byte {
	x.t.Helper()
	frame, err := x.a.known(x.b).session.Current().SealData(make([]byte, 0, 2000), lane, 0, udp(pod(1), pod(2), text))
	check(x.t, err)
	return frame
}

// take gives b a frame, in the lane that it belongs to, and lets control act.
func (x *couple) take(from netip.AddrPort, frame []byte) {
	lane := int(frame[2]) % len(x.b.router.lanes)
	x.b.lane(lane).inbound([]encap.Datagram{{From: encap.Endpoint{Addr: from, Local: addr4(2)}, Data: frame}})
	x.b.settle()
}

// path is where b reaches a; invalid: nowhere.
func (x *couple) path() netip.AddrPort {
	if p := x.b.known(x.a).path.Load(); p != nil {
		return p.endpoint.Addr
	}
	return netip.AddrPort{}
}

var (
	laneSource = netip.AddrPortFrom(addr4(1), 40001)  // of a's lanes but the first
	elsewhere  = netip.AddrPortFrom(addr4(11), 40001) // after a moved
)

func TestAnEndpointIsLearntFromLane0Only(t *testing.T) {
	x := newCouple(t, byHand{lanes: 4}, joinsAll)
	home := x.path()
	for _, from := range []netip.AddrPort{laneSource, elsewhere} {
		x.take(from, x.seal(3, "sealed"))
		if x.path() != home {
			t.Errorf("a frame of lane 3 made the path lead to %v", x.path())
		}
	}
	if n := len(written(x.dev.Queue(3))); n != 2 {
		t.Errorf("%d packets taken, want 2: sealed ones may come from anywhere", n)
	}
	x.take(elsewhere, x.seal(0, "sealed"))
	if x.path() != elsewhere {
		t.Errorf("a frame of lane 0 left the path at %v", x.path())
	}
}

func TestAFrameOfAnotherLaneConfirmsKeysAndTeachesNoEndpoint(t *testing.T) {
	x := newCouple(t, byHand{lanes: 4}, joinsAll)
	home, session := x.path(), x.b.known(x.a).session
	old := session.Current()
	handshake(t, x.a, x.b)
	x.take(laneSource, x.seal(3, "under new keys"))
	if session.Current() == old {
		t.Error("the keys were not confirmed")
	}
	if x.path() != home {
		t.Errorf("the path leads to %v", x.path())
	}
}

func TestAPathThatIsDownIsNotRaisedByAFrameOfAnotherLane(t *testing.T) {
	x := newCouple(t, byHand{lanes: 4}, joinsAll)
	x.b.router.down(x.b.known(x.a), "cut")
	x.take(laneSource, x.seal(3, "sealed"))
	if x.path().IsValid() || x.b.count(PathUp) != 0 {
		t.Errorf("the path leads to %v", x.path())
	}
	if n := len(written(x.dev.Queue(3))); n != 1 {
		t.Errorf("%d packets taken, want 1", n)
	}
	home := x.a.endpoint().Addr
	x.take(home, x.seal(0, "sealed"))
	if x.path() != home || x.b.count(PathUp) != 1 {
		t.Errorf("the path leads to %v", x.path())
	}
}

func TestAClearFrameOfAnotherLaneComesFromThePeersAddressAndAnyPort(t *testing.T) {
	x := newCouple(t, byHand{clear: true, lanes: 4}, joinsAll)
	home := x.path()
	for _, c := range []struct {
		lane uint8
		from netip.AddrPort
		ok   bool
	}{
		{0, home, true}, {0, laneSource, false}, {0, elsewhere, false},
		{1, home, true}, {1, laneSource, true}, {1, elsewhere, false},
	} {
		before := x.b.drops()[WrongEndpoint]
		x.take(c.from, x.seal(c.lane, "clear"))
		taken := len(written(x.dev.Queue(int(c.lane)))) == 1
		if refused := x.b.drops()[WrongEndpoint] == before+1; taken != c.ok || refused == c.ok {
			t.Errorf("lane %d from %v: taken %v, refused %v", c.lane, c.from, taken, refused)
		}
		if x.path() != home {
			t.Errorf("lane %d from %v: the path leads to %v", c.lane, c.from, x.path())
		}
	}
}

func TestAFrameOfAnotherLaneShowsThatThePathWorksIfItComesFromThePeersAddress(t *testing.T) {
	x := newCouple(t, byHand{lanes: 4}, joinsAll)
	p := x.b.known(x.a)
	for from, want := range map[netip.AddrPort]bool{laneSource: true, elsewhere: false} {
		p.heard.Store(0)
		x.take(from, x.seal(3, "sealed"))
		if heard := p.heard.Load() != 0; heard != want {
			t.Errorf("from %v: heard %v", from, heard)
		}
	}
}

func TestFramesOfASessionWithoutSuchALaneAreRefused(t *testing.T) {
	x := newCouple(t, byHand{lanes: 4}, joinsAll)
	frame := x.seal(1, "sealed")
	frame[2] = 5 // comes to the same lane
	x.take(laneSource, frame)
	if x.b.drops()[WrongLane] != 1 || len(x.b.drops()) != 1 {
		t.Errorf("dropped %v", x.b.drops())
	}
}

func TestWhereOurAddressesAreTranslatedAllFramesTravelInLane0(t *testing.T) {
	home := netip.AddrPortFrom(addr4(2), testPort)
	for _, c := range []struct {
		seenAs netip.AddrPort
		local  netip.Addr // of ours, that the probe came to
		want   uint8      // lanes
	}{
		{home, addr4(2), 4},
		{home, netip.Addr{}, 4}, // nobody knows
		{netip.AddrPortFrom(addr4(2), 61000), addr4(2), 1},
		{netip.AddrPortFrom(addr4(99), testPort), addr4(2), 1},
		{netip.AddrPortFrom(addr4(99), testPort), netip.Addr{}, 4},
	} {
		for _, kind := range []encap.ControlKind{encap.Probe, encap.ProbeReply} {
			x := newCouple(t, byHand{lanes: 4}, joinsAll)
			for i, want := range []uint8{c.want, 4} { // and back, when it is over
				seenAs, local := c.seenAs, c.local
				if i == 1 {
					seenAs, local = home, addr4(2)
				}
				x.probe(kind, seenAs, encap.Endpoint{Addr: x.path(), Local: local})
				if got := x.b.known(x.a).path.Load(); got.lanes != want || got.endpoint.Addr != x.a.endpoint().Addr {
					t.Errorf("seen as %v, addressed at %v: %d lanes to %v, want %d", seenAs, local, got.lanes, got.endpoint.Addr, want)
				}
			}
		}
	}
}

// probe lets b's control goroutine have a probe of a, or an answer, that says where b is seen.
func (x *couple) probe(kind encap.ControlKind, seenAs netip.AddrPort, from encap.Endpoint) {
	x.t.Helper()
	frame, err := x.a.known(x.b).session.Current().SealControl(nil, kind, encap.ProbeBody{ID: 1, Observed: seenAs}.Append(nil))
	check(x.t, err)
	x.b.lane(0).inbound([]encap.Datagram{{From: from, Data: frame}})
	x.b.router.handleControl(<-x.b.router.control)
}
