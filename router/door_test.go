package router

import (
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/encap/simnet"
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
				b.router.door.loaded.Store(c.load)
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

// doorway is a door that is under load at once, and frames that carry the cluster's mark.
func doorway(t *testing.T) (d *door, a *encap.Session, b *side) {
	t.Helper()
	local := newSide(t, 1).local
	b = newSide(t, 2)
	made := newDoor(b.local)
	made.loaded.Store(math.MaxInt64)
	return &made, encap.NewSession(encap.SessionConfig{
		Local: local, Peer: b.config.Keys, Indexes: noIndexes{}, Stamp: encap.Stamps(1),
	}), b
}

func TestFloodFromForgedAddressesIsAnsweredAtARate(t *testing.T) {
	d, a, _ := doorway(t)
	now := time.Now()
	frame, err := a.Initiate(now)
	check(t, err)
	count := map[entry]int{}
	for i := range 3 * cookieRate {
		from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 18, byte(i % maxSources >> 8), byte(i)}), 1)
		count[d.admit(frame, from, 0, 1, now)]++
	}
	if count[giveCookie] != cookieRate || count[letIn] != 0 || count[turnAway] != 2*cookieRate {
		t.Errorf("%d let in, %d cookies, %d turned away", count[letIn], count[giveCookie], count[turnAway])
	}
	if d.admit(frame, netip.MustParseAddrPort("203.0.113.1:1"), 0, int64(time.Second), now) != giveCookie {
		t.Error("the next second's first is turned away")
	}
}

func TestSourceThatProvedItsAddressIsLetInAtItsRateWhateverOthersDo(t *testing.T) {
	d, a, b := doorway(t)
	now, from := time.Now(), netip.MustParseAddrPort("192.0.2.1:9338")
	frame, err := a.Initiate(now)
	check(t, err)
	reply, err := d.cookies.Reply(nil, frame, from, now)
	check(t, err)
	again, err := a.TakeCookie(reply, now)
	check(t, err)
	if !again {
		t.Error("the first cookie is not used at once")
	}
	for range 3 * cookieRate { // somebody forges its address
		d.admit(frame, from, 0, 1, now)
	}
	frame, err = a.Initiate(now)
	check(t, err)
	count := map[entry]int{}
	for range 3 * sourceRate {
		count[d.admit(frame, from, 0, 1, now)]++
	}
	if count[letIn] != sourceRate || count[turnAway] != 2*sourceRate {
		t.Errorf("%d let in, %d turned away", count[letIn], count[turnAway])
	}
	if !b.local.Marked(frame) {
		t.Error("the frame does not carry the cluster's mark")
	}
}

func TestLoadEndsASecondAfterTheQueueIsShort(t *testing.T) {
	d, a, _ := doorway(t)
	now, from := time.Now(), netip.MustParseAddrPort("192.0.2.1:9338")
	frame, err := a.Initiate(now)
	check(t, err)
	d.loaded.Store(0)
	second := int64(time.Second)
	for _, c := range []struct {
		waiting int
		clock   int64
		want    entry
	}{
		{loadAt - 1, 10, letIn}, {loadAt, 10, giveCookie}, {0, 10 + second - 1, giveCookie}, {0, 10 + second, letIn},
	} {
		if got := d.admit(frame, from, c.waiting, c.clock, now); got != c.want {
			t.Errorf("%d waiting at %d: %d, want %d", c.waiting, c.clock, got, c.want)
		}
	}
}

func TestMemoryOfSourcesIsBounded(t *testing.T) {
	r := rates{each: 1, total: math.MaxInt}
	for i := range 3 * maxSources {
		addr := netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0, 0, byte(i >> 8), byte(i), 15: 1})
		if got, want := r.take(addr, 7), i < maxSources; got != want {
			t.Fatalf("source %d: %v", i, got)
		}
	}
	if len(r.by) != maxSources {
		t.Errorf("%d sources are kept", len(r.by))
	}
}
