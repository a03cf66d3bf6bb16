package router

import (
	"math"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/encap/simnet"
	"github.com/weftnet/weft/trust"
)

const oneWay = 5 * time.Millisecond

// TestSessionUnderLoadTakesOneRoundTripMore brings up a session with a node under load, where only one of both can call.
func TestSessionUnderLoadTakesOneRoundTripMore(t *testing.T) {
	for name, c := range map[string]struct {
		load  int64
		trips time.Duration // until the initiator has keys
	}{"quiet": {0, 2}, "loaded": {math.MaxInt64, 4}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, simnet.Options{Delay: oneWay}, func(t *testing.T, w *world) {
				a, b := w.side(1), w.side(2)
				b.router.limiter.loaded.Store(c.load)
				endpoints := a.config.Endpoints
				a.config.Endpoints = nil // b cannot call
				b.set(a)
				a.config.Endpoints = endpoints
				began := time.Now()
				a.set(b)
				within(t, time.Second, "up", func() bool { return a.up(b) })
				if took := time.Since(began); took > c.trips*oneWay+5*time.Millisecond {
					t.Errorf("it took %v, want %d trips of %v", took, c.trips, oneWay)
				}
			})
		})
	}
}

// loadedLimiter is a limiter that is under load, and the session of a node that calls it.
func loadedLimiter(t *testing.T) (m *limiter, a *encap.Session, b *side) {
	t.Helper()
	local := newSide(t, 1).local
	b = newSide(t, 2)
	started := time.Now()
	m = new(limiter)
	m.init(b.local, func(clock int64) time.Time { return started.Add(time.Duration(clock)) })
	m.loaded.Store(math.MaxInt64)
	return m, encap.NewSession(encap.SessionConfig{
		Local: local, Peer: b.config.Keys, Indexes: noIndexes{}, Stamp: encap.Stamps(1),
	}), b
}

// attempt is a new initiation, and what becomes of it.
func attempt(t *testing.T, m *limiter, a *encap.Session, b *side, from caller, clock int64) (encap.Mark, verdict) {
	t.Helper()
	frame, err := a.Initiate(time.Now())
	check(t, err)
	mark, ok := b.local.Marked(frame)
	if !ok {
		t.Fatal("the frame does not carry the cluster's mark")
	}
	return mark, m.admit(frame, mark, from, 0, clock)
}

func at4(text string) caller { return caller{addr: netip.MustParseAddrPort(text)} }

// ofFlood is the source of a frame of a flood, and when it comes: spread over the first second, from as many addresses as there are frames.
func ofFlood(i, frames int) (from caller, clock int64) {
	addr := netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)})
	return caller{addr: netip.AddrPortFrom(addr, 1)}, int64(i)*int64(time.Second)/int64(frames) + 1
}

func TestFloodFromForgedAddressesIsAnsweredAtAnEvenRate(t *testing.T) {
	m, a, b := loadedLimiter(t)
	const frames = 6 * cookieRate
	mark, _ := attempt(t, m, a, b, at4("192.0.2.9:1"), 0)
	halves := [2]int{}
	for i := range frames {
		from, clock := ofFlood(i, frames)
		switch got := m.admit(make([]byte, 200), mark, from, 0, clock); got {
		case giveCookie:
			halves[2*i/frames]++
		case deny:
		default:
			t.Fatalf("frame %d: %d", i, got)
		}
	}
	for i, n := range halves {
		if n < cookieRate/2-1 || n > cookieRate/2+cookieBatch {
			t.Errorf("half second %d: %d cookies, want half of %d", i, n, cookieRate)
		}
	}
}

// TestMembersGetCookiesWhateverStrangersTake asks as a member in the middle of a flood that takes all cookies for strangers.
func TestMembersGetCookiesWhateverStrangersTake(t *testing.T) {
	m, a, b := loadedLimiter(t)
	mark, _ := attempt(t, m, a, b, at4("192.0.2.9:1"), 0)
	const frames = 4 * cookieRate
	given := 0
	for i := range frames {
		from, clock := ofFlood(i, frames)
		m.admit(make([]byte, 200), mark, from, 0, clock)
		if member := at4("192.0.2.1:9338"); i%(frames/10) == 0 {
			member.member = true
			if m.admit(make([]byte, 200), mark, member, 0, clock) == giveCookie {
				given++
			}
		}
	}
	if given != 10 {
		t.Errorf("the member got %d of 10 cookies", given)
	}
}

// All addresses of nodes behind relays lie in one /64. One of them that calls without end takes nothing from the others.
func TestNodesBehindRelaysAreEachHeldToARateOfTheirOwn(t *testing.T) {
	m, a, b := loadedLimiter(t)
	behind := func(n trust.Number) caller {
		return caller{addr: encap.RelayedEndpoint(n).Addr, member: true}
	}
	mark, _ := attempt(t, m, a, b, behind(1), 1)
	for range 3 * sourceRate {
		m.admit(make([]byte, 200), mark, behind(1), 0, 1)
	}
	if got := m.admit(make([]byte, 200), mark, behind(1), 0, 1); got != deny {
		t.Errorf("who calls without end: %d", got)
	}
	if got := m.admit(make([]byte, 200), mark, behind(2), 0, 1); got != giveCookie {
		t.Errorf("another: %d", got)
	}
}

// A relay has the cookies of all whom it says that it relays for, and so could use up what each of them may.
func TestNodesBehindRelaysAreHeldToARateTogether(t *testing.T) {
	m, _, _ := loadedLimiter(t)
	let := 0
	for n := range trust.Number(500) {
		for range sourceRate {
			if m.mayCall(encap.RelayedEndpoint(n).Addr.Addr(), int64(n)*int64(2*time.Millisecond)+1) {
				let++
			}
		}
	}
	if let < behindRate || let > behindRate+behindBurst {
		t.Errorf("%d are let in within a second, want %d", let, behindRate)
	}
	if !m.mayCall(addr4(9), int64(time.Second)) {
		t.Error("they take from others")
	}
}

func TestSourceThatProvedItsAddressIsLetInAtItsRateWhateverOthersDo(t *testing.T) {
	m, a, b := loadedLimiter(t)
	from := at4("192.0.2.1:9338")
	mark, got := attempt(t, m, a, b, from, 1)
	if got != giveCookie {
		t.Fatalf("without a cookie: %d", got)
	}
	reply, err := m.cookies.Reply(nil, mark, from.addr, time.Now())
	check(t, err)
	again, err := a.TakeCookie(reply, time.Now())
	check(t, err)
	if !again {
		t.Error("the first cookie is not used at once")
	}
	for range 3 * cookieRate { // somebody forges its address
		m.admit(make([]byte, 200), mark, from, 0, 1)
	}
	count := map[verdict]int{}
	for range 3 * sourceRate {
		_, got := attempt(t, m, a, b, from, 1)
		count[got]++
	}
	if count[allow] != sourceRate || count[deny] != 2*sourceRate {
		t.Errorf("%d let in, %d turned away", count[allow], count[deny])
	}
}

func TestInitiationThatIsRepeatedIsLetInOnce(t *testing.T) {
	for _, load := range []int64{0, math.MaxInt64} {
		m, a, b := loadedLimiter(t)
		from := at4("192.0.2.1:9338")
		mark, _ := attempt(t, m, a, b, from, 1)
		reply, err := m.cookies.Reply(nil, mark, from.addr, time.Now())
		check(t, err)
		_, err = a.TakeCookie(reply, time.Now())
		check(t, err)
		m.loaded.Store(load)
		frame, err := a.Initiate(time.Now())
		check(t, err)
		mark, _ = b.local.Marked(frame)
		count := map[verdict]int{}
		for range 1000 {
			count[m.admit(frame, mark, from, 0, 1)]++
		}
		if count[allow] != 1 || count[repeated] != 999 || m.isLoaded(1) != (load > 0) {
			t.Errorf("load until %d: %d let in, %d repeated", load, count[allow], count[repeated])
		}
	}
}

func TestLoadBeginsWhenMoreComeThanIsFreeAndEndsASecondAfter(t *testing.T) {
	m, a, b := loadedLimiter(t)
	m.loaded.Store(0)
	from, second := at4("192.0.2.1:9338"), int64(time.Second)
	for i := range freeBurst {
		if _, got := attempt(t, m, a, b, from, 1); got != allow {
			t.Fatalf("initiation %d at once: %d", i, got)
		}
	}
	for _, c := range []struct {
		clock int64
		want  verdict
	}{{1, giveCookie}, {second / 2, giveCookie}, {second, giveCookie}, {second + 1, allow}} {
		if _, got := attempt(t, m, a, b, from, c.clock); got != c.want {
			t.Errorf("at %v: %d, want %d", time.Duration(c.clock), got, c.want)
		}
	}
}

func TestLoadBeginsWhenTooManyWait(t *testing.T) {
	m, a, b := loadedLimiter(t)
	m.loaded.Store(0)
	mark, _ := attempt(t, m, a, b, at4("192.0.2.9:1"), 1)
	mark.MAC[0]++ // another
	for waiting, want := range map[int]verdict{loadAt - 1: allow, loadAt: giveCookie} {
		m.loaded.Store(0)
		mark.MAC[0]++
		if got := m.admit(make([]byte, 200), mark, at4("192.0.2.1:1"), waiting, 1); got != want {
			t.Errorf("%d waiting: %d, want %d", waiting, got, want)
		}
	}
}

func TestMemoryOfSourcesIsBounded(t *testing.T) {
	r := rates{each: 1}
	for i := range 3 * maxSources {
		addr := netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0, 0, byte(i >> 8), byte(i), 15: 1})
		if ok, strange := r.take(addr, 7); !ok || strange != (i >= maxSources) {
			t.Fatalf("source %d: %v, strange %v", i, ok, strange)
		}
	}
	if len(r.by) != maxSources {
		t.Errorf("%d sources are kept", len(r.by))
	}
}

func TestPaceIsEven(t *testing.T) {
	var p pace
	p.set(1000, 5)
	allowed := func(from, to time.Duration) (n int) {
		for clock := from; clock < to; clock += 10 * time.Microsecond {
			if p.take(int64(clock)) {
				n++
			}
		}
		return n
	}
	if n := allowed(time.Second, time.Second+time.Microsecond) + allowed(time.Second+10*time.Microsecond, time.Second+100*time.Microsecond); n != 5 {
		t.Errorf("%d at once, want the burst of 5", n)
	}
	if n := allowed(2*time.Second, 3*time.Second); n < 1000 || n > 1005 {
		t.Errorf("%d in a second, want 1000", n)
	}
}

func TestAnEpisodeIsToldOnceAfterItLastedAndWhenItIsOver(t *testing.T) {
	for name, c := range map[string]struct {
		loaded func(second int) bool
		began  []int
		ended  []int
	}{
		"a start of many": {func(s int) bool { return s < 2 }, nil, nil},
		"a flood":         {func(s int) bool { return s < 100 }, []int{3}, []int{109}},
		"now and then":    {func(s int) bool { return s < 100 && s%10 < 5 }, []int{3}, []int{104}},
		"twice":           {func(s int) bool { return s < 10 || s >= 50 && s < 60 }, []int{3, 53}, []int{19, 69}},
	} {
		var e episode
		var began, ended []int
		start := time.Now()
		for s := range 200 {
			b, x := e.step(c.loaded(s), start.Add(time.Duration(s)*time.Second))
			if b {
				began = append(began, s)
			}
			if x {
				ended = append(ended, s)
			}
		}
		if !slices.Equal(began, c.began) || !slices.Equal(ended, c.ended) {
			t.Errorf("%s: began %v, ended %v, want %v and %v", name, began, ended, c.began, c.ended)
		}
	}
}

func TestLoadThatLastsIsToldOnceWhileSessionsGoOn(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b, c := w.side(1), w.side(2), w.side(3)
		w.join(a, b)
		b.router.limiter.free.set(1, 1)
		s := &scene{t: t, w: w, b: b}
		for range 100 { // for 5 s
			c.epoch++
			c.sendRaw(b, 0, s.initiation(c))
			time.Sleep(50 * time.Millisecond)
		}
		if n, e := b.last(HandshakesLimited); n != 1 || e.Reason != limitedReason {
			t.Errorf("told %d times, %q", n, e.Reason)
		}
		if !a.carries(b) || !b.carries(a) {
			t.Error("nothing goes through")
		}
		if n := b.router.Counters().Handshakes.Cookies; n < 50 {
			t.Errorf("%d cookies", n)
		}
		time.Sleep(episodeCalm + 3*time.Second)
		if n, e := b.last(HandshakesLimited); n != 2 || e.Reason != "" {
			t.Errorf("at the end: told %d times, %q", n, e.Reason)
		}
	})
}
