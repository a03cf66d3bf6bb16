package punch

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/encap"
)

// start is when all tests begin.
var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// nat is what is between a node and the world, in the words of RFC 4787; open: nothing is.
type nat struct {
	open      bool
	symmetric bool
	public    netip.Addr
	sentTo    map[netip.AddrPort]uint16 // mapped port, by destination
	ports     uint16
}

// send is where the world sees a datagram to a destination.
func (n *nat) send(from, to netip.AddrPort) netip.AddrPort {
	if n.open {
		return from
	}
	if _, ok := n.sentTo[to]; !ok {
		n.sentTo[to] = from.Port()
		if n.symmetric {
			n.ports++
			n.sentTo[to] = 40000 + n.ports
		}
	}
	return netip.AddrPortFrom(n.public, n.sentTo[to])
}

// takes reports whether a datagram from the world gets in: what was sent to before.
func (n *nat) takes(from, to netip.AddrPort) bool {
	return n.open || n.sentTo[from] == to.Port() && n.sentTo[from] != 0
}

// host is a node of the simulation.
type host struct {
	*Engine
	at     netip.AddrPort
	nat    *nat
	facts  Facts
	offers int
	calls  []time.Time
}

// world is two nodes, a relay that always works, and time.
type world struct {
	t     *testing.T
	now   time.Time
	delay time.Duration // of everything, one way
	a, b  *host
	later []event
	lose  func() bool // loses an offer
}

type event struct {
	at time.Time
	do func()
}

func newHost(number byte, n nat, leads bool) *host {
	n.sentTo = map[netip.AddrPort]uint16{}
	n.public = netip.AddrFrom4([4]byte{192, 0, 2, number})
	h := &host{at: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 168, number, 10}), 9338), nat: &n}
	if n.open {
		h.at = netip.AddrPortFrom(n.public, 9338)
	}
	round := uint64(number) << 32
	h.Engine = NewEngine(Config{
		Leads: leads, Round: func() uint64 { round++; return round },
		Jitter:   func(d time.Duration) time.Duration { return d / 2 },
		Callable: func(at netip.AddrPort) bool { return !at.Addr().IsLoopback() },
	})
	h.facts = Facts{Reached: true, RTT: 40 * time.Millisecond}
	return h
}

func newWorld(t *testing.T, a, b nat) *world {
	w := &world{t: t, now: start, delay: 20 * time.Millisecond, lose: func() bool { return false }}
	w.a, w.b = newHost(1, a, true), newHost(2, b, false)
	for _, h := range []*host{w.a, w.b} { // both have talked to a third node
		third := netip.MustParseAddrPort("192.0.2.99:9338")
		observed := []netip.AddrPort{h.nat.send(h.at, third)}
		h.SetOurs(w.now, Candidates([]netip.AddrPort{h.at}, nil, observed))
	}
	return w
}

func (w *world) peer(h *host) *host {
	if h == w.a {
		return w.b
	}
	return w.a
}

func (w *world) after(d time.Duration, do func()) { w.later = append(w.later, event{w.now.Add(d), do}) }

func (w *world) act(h *host, do Do) {
	peer := w.peer(h)
	if do.Send != nil {
		h.offers++
		if offer := *do.Send; !w.lose() {
			w.after(w.delay, func() { w.act(peer, peer.Take(w.now, offer, peer.facts)) })
		}
	}
	for _, at := range do.Call {
		h.calls = append(h.calls, w.now)
		from := h.nat.send(h.at, at)
		w.after(w.delay, func() {
			public := netip.AddrPortFrom(peer.nat.public, at.Port())
			if here := at == peer.at && peer.nat.open; here || at == public && peer.nat.takes(from, at) {
				peer.facts.Direct = true
				w.after(w.delay, func() { h.facts.Direct = true }) // the answer goes the way back
			}
		})
	}
}

// run lets time pass.
func (w *world) run(d time.Duration) {
	for end := w.now.Add(d); w.now.Before(end); w.now = w.now.Add(time.Millisecond) {
		due := w.later
		w.later = nil
		for _, e := range due {
			if e.at.After(w.now) {
				w.later = append(w.later, e)
				continue
			}
			e.do()
		}
		for _, h := range []*host{w.a, w.b} {
			w.act(h, h.Step(w.now, h.facts))
		}
	}
}

var (
	public  = nat{open: true}
	home    = nat{}
	carrier = nat{symmetric: true}
)

func TestADirectPathIsFoundWhereThereIsOneWithinASecond(t *testing.T) {
	for name, c := range map[string]struct {
		a, b nat
		want bool
	}{
		"both public": {public, public, true}, "one behind NAT": {public, home, true}, "the other behind NAT": {home, public, true},
		"two NATs": {home, home, true}, "a symmetric NAT and a public node": {carrier, public, true},
		"a symmetric NAT and another": {carrier, home, false}, "two symmetric NATs": {carrier, carrier, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, c.a, c.b)
			w.run(time.Second)
			if w.a.facts.Direct != c.want || w.b.facts.Direct != c.want {
				t.Errorf("direct: %v and %v, want %v", w.a.facts.Direct, w.b.facts.Direct, c.want)
			}
		})
	}
}

func TestBothCallWithin200ms(t *testing.T) {
	for _, delay := range []time.Duration{time.Millisecond, 20 * time.Millisecond, 150 * time.Millisecond} {
		w := newWorld(t, carrier, carrier)
		w.delay = delay
		w.a.facts.RTT, w.b.facts.RTT = 2*delay, 2*delay
		w.run(2 * time.Second)
		if apart := w.a.calls[0].Sub(w.b.calls[0]).Abs(); apart > 200*time.Millisecond {
			t.Errorf("delay %v: they call %v apart", delay, apart)
		}
	}
}

func TestRoundsWithoutSuccessBecomeRareUntilSomethingIsNew(t *testing.T) {
	w := newWorld(t, carrier, carrier)
	w.run(time.Hour)
	if n := w.a.offers + w.b.offers; n < 20 || n > 60 {
		t.Errorf("%d offers in an hour", n)
	}
	before := len(w.a.calls)
	w.run(time.Minute - time.Second)
	w.b.SetOurs(w.now, Candidates([]netip.AddrPort{netip.MustParseAddrPort("192.168.9.9:9338")}, nil, nil))
	w.run(time.Second)
	if len(w.a.calls) == before {
		t.Error("a new candidate makes no round")
	}
	if r := w.a.Report(); len(r.Theirs) != 1 || r.Theirs[0].At.Addr() != netip.MustParseAddr("192.168.9.9") {
		t.Errorf("known: %+v", r.Theirs)
	}
}

func TestALostOfferIsRepeated(t *testing.T) {
	w := newWorld(t, home, home)
	lost := 0
	w.lose = func() bool { lost++; return lost <= 2 }
	w.run(5 * time.Second)
	if !w.a.facts.Direct {
		t.Error("no direct path")
	}
}

func TestADirectPathThatIsLostIsLookedForAgain(t *testing.T) {
	w := newWorld(t, home, home)
	w.run(time.Minute)
	calls := len(w.a.calls) + len(w.b.calls)
	w.run(time.Hour)
	if n := len(w.a.calls) + len(w.b.calls); n != calls {
		t.Errorf("%d calls with a direct path", n-calls)
	}
	w.a.facts.Direct, w.b.facts.Direct = false, false
	w.run(time.Second)
	if !w.a.facts.Direct || !w.b.facts.Direct {
		t.Error("no direct path again")
	}
}

func TestTheOneThatDoesNotLeadBeginsWhereTheOtherDoesNot(t *testing.T) {
	w := newWorld(t, home, home)
	w.a.cfg.Leads = false
	w.run(10 * time.Second)
	if !w.a.facts.Direct {
		t.Error("no direct path")
	}
}

// A member that names others' addresses has this node send a bounded number of frames there.
func TestAPeerCanHaveUsCallNoMoreThanItsShare(t *testing.T) {
	w := newWorld(t, home, home)
	var list []encap.Candidate
	for i := range 64 {
		list = append(list, encap.Candidate{At: netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}), 53)})
	}
	list[1].At = netip.MustParseAddrPort("127.0.0.1:53")
	calls := 0
	for i := range 60_000 { // a minute
		now := start.Add(time.Duration(i) * time.Millisecond)
		do := w.a.Take(now, encap.Offer{Round: uint64(i + 1), List: list}, w.a.facts)
		calls += len(do.Call) + len(w.a.Step(now, w.a.facts).Call)
	}
	if limit := 12 * callCount * encap.MaxCandidates; calls > limit || calls == 0 {
		t.Errorf("%d calls in a minute, want at most %d", calls, limit)
	}
	for _, c := range w.a.Report().Theirs {
		if c.At.Addr().IsLoopback() {
			t.Errorf("it calls %v", c.At)
		}
	}
}

func TestAnAnswerToNothingMakesNoCalls(t *testing.T) {
	w := newWorld(t, home, home)
	w.b.Take(start, encap.Offer{Round: 9, Answer: true, List: w.a.ours}, w.b.facts)
	w.b.Take(start, encap.Offer{Round: 9, List: w.a.ours}, Facts{})
	for i := range 1000 {
		if do := w.b.Step(start.Add(time.Duration(i)*time.Millisecond), w.b.facts); len(do.Call) > 0 {
			t.Fatal("it calls")
		}
	}
}

func TestWithoutAWayForOffersNothingIsDue(t *testing.T) {
	w := newWorld(t, home, home)
	w.run(500 * time.Millisecond)
	w.a.facts = Facts{}
	w.a.Step(w.now, w.a.facts)
	if !w.a.Due().IsZero() {
		t.Errorf("due in %v", w.a.Due().Sub(w.now))
	}
}

func TestCandidatesAreBoundedAndHaveRoomForWhatOthersSee(t *testing.T) {
	var private []netip.AddrPort
	for i := range 20 {
		private = append(private, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), 9338))
	}
	seen := []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:1"), netip.MustParseAddrPort("192.0.2.1:2"), netip.MustParseAddrPort("192.0.2.1:3")}
	list := Candidates(private, private[:3], seen)
	if len(list) != encap.MaxCandidates || list[0].At != private[0] || list[6].At != seen[0] || list[7].At != seen[1] {
		t.Errorf("%+v", list)
	}
	if own := Candidates(private[:1], private[:2], private[:1]); len(own) != 2 || len(Translated(own)) != 0 {
		t.Errorf("%+v", own)
	}
}

func TestWhyThereIsNoDirectPathIsSaid(t *testing.T) {
	at := func(text string) []netip.AddrPort { return []netip.AddrPort{netip.MustParseAddrPort(text)} }
	behind := Candidates(at("192.168.1.10:9338"), at("192.168.1.10:9338"), at("192.0.2.1:9338"))
	other := Candidates(at("192.168.2.10:9338"), nil, at("192.0.2.2:40000"))
	open := Candidates(at("192.0.2.3:9338"), nil, at("192.0.2.3:9338"))
	many := Candidates(at("192.168.1.10:9338"), nil, slices.Concat(at("192.0.2.1:1"), at("192.0.2.1:2")))
	for _, c := range []struct {
		ours, theirs []encap.Candidate
		want         string
	}{
		{behind, other, "no direct path: calls to 192.168.2.10:9338, 192.0.2.2:40000 are not answered; both are behind NAT (peers see us as 192.0.2.1:9338, we advertise 192.168.1.10:9338)"},
		{behind, open, "no direct path: calls to 192.0.2.3:9338 are not answered; we are behind NAT (peers see us as 192.0.2.1:9338, we advertise 192.168.1.10:9338)"},
		{open, other, "no direct path: calls to 192.168.2.10:9338, 192.0.2.2:40000 are not answered; it is behind NAT"},
		{open, open, "no direct path: calls to 192.0.2.3:9338 are not answered"},
		{open, nil, "no direct path: the peer has named no endpoint that could be called"},
	} {
		if got := Why(c.ours, c.theirs); got != c.want {
			t.Errorf("%s\nwant %s", got, c.want)
		}
	}
	if got := Why(many, open); !strings.HasSuffix(got, "so nobody knows where to call") {
		t.Error(got)
	}
}
