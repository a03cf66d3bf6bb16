package alive

import (
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/encap"
)

// rivalSim drives a Selector in virtual time. rtt says what an endpoint answers in; 0: it does not.
type rivalSim struct {
	t        *testing.T
	s        Selector
	now      time.Time
	present  encap.Endpoint
	claimed  []netip.AddrPort
	rtt      func(netip.Addr) time.Duration
	nat      map[netip.Addr]bool
	deaf     bool // the other end does not answer when it is asked to move
	id       uint64
	probes   int
	moves    []Move
	awaiting []awaited
}

// awaited is an answer on its way.
type awaited struct {
	at   time.Time
	id   uint64
	from encap.Endpoint
	asks bool
}

func endpoint(addr string) encap.Endpoint {
	return encap.Endpoint{Addr: netip.AddrPortFrom(netip.MustParseAddr(addr), 9338)}
}

// newRivalSim is a peer that claims these addresses, and is reached at the first.
func newRivalSim(t *testing.T, decides bool, rtt map[string]time.Duration, addrs ...string) *rivalSim {
	s := &rivalSim{t: t, now: epoch, present: endpoint(addrs[0]), nat: map[netip.Addr]bool{}}
	for _, a := range addrs {
		s.claimed = append(s.claimed, endpoint(a).Addr)
	}
	s.rtt = func(a netip.Addr) time.Duration { return rtt[a.String()] }
	random := rand.New(rand.NewPCG(1, 1))
	s.s = NewSelector(decides, func(d time.Duration) time.Duration { return time.Duration(random.Int64N(int64(d))) })
	return s
}

func (s *rivalSim) run(d time.Duration) {
	for end := s.now.Add(d); s.now.Before(end); s.wait(end) {
		s.answer()
		s.s.Set(s.now, s.present, s.claimed)
		do := s.s.Step(s.now)
		if len(do.Probe) > 0 {
			s.id++
			s.s.Sent(s.now, s.id)
		}
		for _, to := range do.Probe {
			s.send(to, false)
		}
		if do.Ask.Addr.IsValid() {
			s.id++
			s.s.Asked(s.id)
			s.send(do.Ask, true)
		}
	}
}

// wait goes on to the next moment at which something happens, in steps of 10 ms while answers may come.
func (s *rivalSim) wait(end time.Time) {
	due := s.s.Due()
	s.now = s.now.Add(10 * time.Millisecond)
	switch {
	case len(s.awaiting) > 0:
	case due.IsZero() || due.After(end):
		s.now = end
	case due.After(s.now):
		s.now = due
	}
}

func (s *rivalSim) send(to encap.Endpoint, asks bool) {
	s.probes++
	if took := s.rtt(to.Addr.Addr()); took > 0 && !(asks && s.deaf) {
		s.awaiting = append(s.awaiting, awaited{s.now.Add(took), s.id, to, asks})
	}
}

func (s *rivalSim) answer() {
	left := s.awaiting[:0]
	for _, w := range s.awaiting {
		if s.now.Before(w.at) {
			left = append(left, w)
			continue
		}
		s.s.Answered(w.at, w.id, w.from, s.nat[w.from.Addr.Addr()])
		if m, ok := s.s.Agreed(s.now, w.id); ok {
			s.present = m.To
			s.moves = append(s.moves, m)
		}
	}
	s.awaiting = left
}

const ms = time.Millisecond

func TestTheBetterEndpointIsMovedToOnceAndTheOtherOneIsNot(t *testing.T) {
	for name, test := range map[string]struct {
		addrs []string // the first one is in use
		rtt   map[string]time.Duration
		nat   string
		why   string // empty: it stays
	}{
		"nearer":                     {[]string{"192.0.2.1", "192.0.2.2"}, map[string]time.Duration{"192.0.2.1": 20 * ms, "192.0.2.2": 10 * ms}, "", "10.0 ms"},
		"nearer by too little":       {[]string{"192.0.2.1", "192.0.2.2"}, map[string]time.Duration{"192.0.2.1": 20 * ms, "192.0.2.2": 16 * ms}, "", ""},
		"half, but less than 2 ms":   {[]string{"192.0.2.1", "192.0.2.2"}, map[string]time.Duration{"192.0.2.1": 3 * ms, "192.0.2.2": 2 * ms}, "", ""},
		"farther":                    {[]string{"192.0.2.1", "10.0.0.2"}, map[string]time.Duration{"192.0.2.1": 20 * ms, "10.0.0.2": 40 * ms}, "", ""},
		"silent":                     {[]string{"192.0.2.1", "10.0.0.2"}, map[string]time.Duration{"192.0.2.1": 20 * ms}, "", ""},
		"private":                    {[]string{"192.0.2.1", "10.0.0.2"}, map[string]time.Duration{"192.0.2.1": 20 * ms, "10.0.0.2": 22 * ms}, "", "private"},
		"public, beside private":     {[]string{"10.0.0.2", "192.0.2.1"}, map[string]time.Duration{"192.0.2.1": 20 * ms, "10.0.0.2": 22 * ms}, "", ""},
		"without NAT":                {[]string{"192.0.2.1", "2001:db8::2"}, map[string]time.Duration{"192.0.2.1": 20 * ms, "2001:db8::2": 20 * ms}, "192.0.2.1", "no NAT"},
		"IPv4":                       {[]string{"2001:db8::2", "192.0.2.1"}, map[string]time.Duration{"192.0.2.1": 20 * ms, "2001:db8::2": 20 * ms}, "", "IPv4"},
		"IPv6, beside IPv4":          {[]string{"192.0.2.1", "2001:db8::2"}, map[string]time.Duration{"192.0.2.1": 20 * ms, "2001:db8::2": 20 * ms}, "", ""},
		"IPv6 is private":            {[]string{"192.0.2.1", "fd77::2"}, map[string]time.Duration{"192.0.2.1": 20 * ms, "fd77::2": 20 * ms}, "", ""},
		"the nearest of several":     {[]string{"192.0.2.1", "192.0.2.2", "192.0.2.3"}, map[string]time.Duration{"192.0.2.1": 90 * ms, "192.0.2.2": 50 * ms, "192.0.2.3": 10 * ms}, "", "10.0 ms"},
		"the present one is silent ": {[]string{"192.0.2.1", "10.0.0.2"}, map[string]time.Duration{"10.0.0.2": 10 * ms}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newRivalSim(t, true, test.rtt, test.addrs...)
			if test.nat != "" {
				s.nat[netip.MustParseAddr(test.nat)] = true
			}
			s.run(time.Hour)
			switch {
			case test.why == "" && len(s.moves) > 0:
				t.Errorf("moved: %+v", s.moves)
			case test.why != "" && (len(s.moves) != 1 || !strings.Contains(s.moves[0].Why, test.why)):
				t.Errorf("moves %+v, want one because of %q", s.moves, test.why)
			}
		})
	}
}

func TestTheEndThatDoesNotDecideMeasuresSeldomAndMovesNothing(t *testing.T) {
	rtt := map[string]time.Duration{"192.0.2.1": 90 * ms, "192.0.2.2": 10 * ms}
	s := newRivalSim(t, false, rtt, "192.0.2.1", "192.0.2.2")
	s.run(time.Hour)
	if len(s.moves) != 0 || s.probes < 6*9 || s.probes > 6*13 {
		t.Errorf("%d moves, %d probes in an hour", len(s.moves), s.probes)
	}
	if r := s.s.Results(); len(r) != 2 || !r[0].Present || r[0].RTT != 90*ms || r[1].RTT != 10*ms {
		t.Errorf("%+v", r)
	}
}

func TestAPeerWithOneEndpointIsNotMeasured(t *testing.T) {
	s := newRivalSim(t, true, map[string]time.Duration{"192.0.2.1": ms}, "192.0.2.1")
	s.run(time.Hour)
	if s.probes != 0 || !s.s.Due().IsZero() || s.s.Results() != nil {
		t.Errorf("%d probes, due %v", s.probes, s.s.Due())
	}
}

func TestASettledPeerGetsSixProbesAMinute(t *testing.T) {
	s := newRivalSim(t, true, map[string]time.Duration{"192.0.2.1": 9 * ms, "192.0.2.2": 9 * ms}, "192.0.2.1", "192.0.2.2")
	s.run(time.Hour)
	if s.probes < 6*45 || s.probes > 6*61 {
		t.Errorf("%d probes in an hour", s.probes)
	}
}

func TestAnIdlePeerIsMeasuredEveryFiveMinutesAndOneThatCarriesSomethingAgainWithinOne(t *testing.T) {
	rtt := map[string]time.Duration{"192.0.2.1": 9 * ms, "192.0.2.2": 9 * ms}
	s := newRivalSim(t, true, rtt, "192.0.2.1", "192.0.2.2")
	s.s.Idle = true
	s.run(time.Hour)
	if s.probes < 6*10 || s.probes > 6*13 {
		t.Errorf("%d probes in an hour", s.probes)
	}
	for range 10 {
		s.run(100 * time.Second)
		s.s.Idle, s.probes = false, 0
		s.run(compareEvery + compareEvery/4)
		if s.probes == 0 {
			t.Error("none within a minute after the link carried something")
		}
		s.s.Idle = true
	}
}

func TestABetterEndpointOfAnIdlePeerIsMovedToSoonAfterItIsKnown(t *testing.T) {
	rtt := map[string]time.Duration{"192.0.2.1": 20 * ms, "192.0.2.2": 9 * ms}
	s := newRivalSim(t, true, rtt, "192.0.2.1", "192.0.2.2")
	s.s.Idle = true
	s.run(30 * time.Second)
	if len(s.moves) != 1 {
		t.Errorf("moves %+v", s.moves)
	}
}

func TestRoundTripsThatJitterMoveNothing(t *testing.T) {
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 2))
		s := newRivalSim(t, true, nil, "192.0.2.1", "192.0.2.2")
		s.rtt = func(netip.Addr) time.Duration { return 10*ms + time.Duration(random.Int64N(int64(10*ms))) }
		s.run(6 * time.Hour)
		if len(s.moves) > 2 {
			t.Errorf("seed %d: %d moves in six hours", seed, len(s.moves))
		}
	}
}

func TestTwoEndpointsThatTakeTurnsInBeingNearerMoveThePathEverMoreSeldom(t *testing.T) {
	s := newRivalSim(t, true, nil, "192.0.2.1", "192.0.2.2")
	s.rtt = func(a netip.Addr) time.Duration {
		if even := s.now.Sub(epoch)/(3*time.Minute)%2 == 0; even == (a == netip.MustParseAddr("192.0.2.1")) {
			return 10 * ms
		}
		return 50 * ms
	}
	s.run(12 * time.Hour)
	if n := len(s.moves); n < 2 || n > 24 {
		t.Errorf("%d moves in 12 hours", n)
	}
}

func TestAnEndThatDoesNotAgreeIsAskedAgainAndNothingMoves(t *testing.T) {
	s := newRivalSim(t, true, map[string]time.Duration{"192.0.2.1": 90 * ms, "192.0.2.2": 10 * ms}, "192.0.2.1", "192.0.2.2")
	s.deaf = true
	s.run(10 * time.Minute)
	if len(s.moves) != 0 {
		t.Fatalf("moved: %+v", s.moves)
	}
	s.deaf = false
	s.run(2 * time.Minute)
	if len(s.moves) != 1 {
		t.Errorf("%d moves", len(s.moves))
	}
}

func TestAnEndpointThatComesBackIsMovedTo(t *testing.T) {
	back := epoch.Add(time.Hour)
	s := newRivalSim(t, true, nil, "2001:db8::2", "192.0.2.1")
	s.rtt = func(a netip.Addr) time.Duration {
		if a.Is4() && s.now.Before(back) {
			return 0
		}
		return 5 * ms
	}
	s.run(time.Hour)
	if r := s.s.Results(); len(s.moves) != 0 || r[1].Silent.IsZero() || r[1].Silent.Sub(epoch) > 3*time.Second {
		t.Fatalf("moves %+v, results %+v", s.moves, r)
	}
	s.run(90 * time.Second)
	if len(s.moves) != 1 || !s.present.Addr.Addr().Is4() {
		t.Errorf("moves %+v", s.moves)
	}
}

func TestWhereThePeerIsHeardIsTriedAtOnceByTheEndThatDecides(t *testing.T) {
	rtt := map[string]time.Duration{"192.0.2.1": 30 * ms, "198.51.100.7": 5 * ms}
	for _, decides := range []bool{true, false} {
		s := newRivalSim(t, decides, rtt, "192.0.2.1")
		s.run(10 * time.Second)
		s.s.Heard(s.now, endpoint("198.51.100.7"))
		s.run(20 * time.Second)
		if moved := len(s.moves) == 1 && s.present == endpoint("198.51.100.7"); moved != decides {
			t.Errorf("decides %v: moves %+v", decides, s.moves)
		}
		s.run(5 * time.Minute) // the old way is known still
		if n := len(s.s.Results()); decides && n != 2 {
			t.Errorf("%d endpoints", n)
		}
	}
}

func TestFewEndpointsThatNobodyClaimsAreTried(t *testing.T) {
	s := newRivalSim(t, true, map[string]time.Duration{"192.0.2.1": 30 * ms}, "192.0.2.1")
	s.run(time.Second)
	for i := range 200 {
		s.s.Heard(s.now, encap.Endpoint{Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}), 1)})
	}
	s.run(time.Minute)
	if n := len(s.s.Results()); n != 1+maxUnclaimed {
		t.Errorf("%d endpoints", n)
	}
	s.run(time.Hour)
	if n := len(s.s.Results()); n != 0 {
		t.Errorf("%d endpoints after an hour in which none answered", n)
	}
}

func TestDueOfASelectorNamesTheMomentOfTheNextAction(t *testing.T) {
	s := newRivalSim(t, true, nil, "192.0.2.1", "192.0.2.2")
	s.s.Set(s.now, s.present, s.claimed)
	for range 200 {
		due := s.s.Due()
		if do := s.s.Step(due.Add(-1)); len(do.Probe) > 0 || do.Ask.Addr.IsValid() {
			t.Fatalf("%+v a nanosecond before it was due", do)
		}
		s.s.Step(due)
		if next := s.s.Due(); !next.After(due) {
			t.Fatalf("due at %v, and then at %v", due, next)
		}
	}
}
