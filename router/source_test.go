package router

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/packet/packettest"
	"github.com/weftnet/weft/tun"
)

// A receiver asks once for frames that follow each other from one source, and once for packets between the same addresses.
// These tests give it frames in one batch that differ in one thing.

// trio is b, which takes frames of a and c; all by hand.
type trio struct {
	t       *testing.T
	a, b, c *side
	dev     *tun.PolledMemory
}

func newTrio(t *testing.T, o byHand) *trio {
	t.Helper()
	x := &trio{t: t, a: hand(t, 1, o), c: hand(t, 3, o), dev: memory(t, 1, tun.Joins{})}
	o.dev = x.dev
	x.b = hand(t, 2, o)
	introduce(t, x.a, x.b, x.c)
	return x
}

// frame is a packet in a data frame from a node to b.
func (x *trio) frame(from *side, packet []byte) []byte {
	x.t.Helper()
	frame, err := from.known(x.b).session.Current().SealData(make([]byte, 0, 2000), 0, 0, packet)
	check(x.t, err)
	return frame
}

// take gives b frames in one batch, from where each says. It returns the texts that came out, and what was dropped.
func (x *trio) take(batch ...encap.Datagram) (texts []string, dropped map[Reason]uint64) {
	before := x.b.drops()
	x.b.lane(0).inbound(batch)
	for _, p := range written(x.dev.Queue(0)) {
		texts = append(texts, string(packettest.Payload(p.Data)))
	}
	return texts, grown(before, x.b.drops())
}

func (x *trio) datagram(from *side, frame []byte) encap.Datagram {
	return encap.Datagram{From: x.b.from(from), Data: frame}
}

func TestAnotherPeersFrameBehindTheOwnersIsSpoofedAllTheSame(t *testing.T) {
	x := newTrio(t, byHand{})
	good, bad := udp(pod(1), pod(2), "good"), udp(pod(1), pod(2), "bad")
	texts, dropped := x.take(x.datagram(x.a, x.frame(x.a, good)), x.datagram(x.c, x.frame(x.c, bad)), x.datagram(x.a, x.frame(x.a, good)))
	if len(texts) != 2 || texts[0] != "good" || texts[1] != "good" || len(dropped) != 1 || dropped[SpoofedSource] != 1 {
		t.Errorf("delivered %q, dropped %v", texts, dropped)
	}
}

func TestOtherAddressesBehindAdmittedOnesAreJudgedAnew(t *testing.T) {
	x := newTrio(t, byHand{})
	var batch []encap.Datagram
	for _, p := range [][]byte{
		udp(pod(1), pod(2), "good"), udp(pod(3), pod(2), "of c"), udp(pod(1), pod(2), "good"), udp(pod(1), pod(3), "to c"),
		udp(pod6(1), pod6(2), "good"), udp(pod6(1), pod6(3), "to c"),
	} {
		batch = append(batch, x.datagram(x.a, x.frame(x.a, p)))
	}
	texts, dropped := x.take(batch...)
	if len(texts) != 3 || len(dropped) != 2 || dropped[SpoofedSource] != 1 || dropped[NotLocal] != 2 {
		t.Errorf("delivered %q, dropped %v", texts, dropped)
	}
}

func TestFramesOfTwoSessionsFromOneEndpointAreEachOpenedWithTheirKeys(t *testing.T) {
	x := newTrio(t, byHand{})
	old := x.frame(x.a, udp(pod(1), pod(2), "old keys"))
	old2 := x.frame(x.a, udp(pod(1), pod(2), "old keys"))
	shake(t, x.a, x.b)
	now := x.frame(x.a, udp(pod(1), pod(2), "new keys"))
	texts, dropped := x.take(x.datagram(x.a, old), x.datagram(x.a, now), x.datagram(x.a, old2))
	if len(texts) != 3 || len(dropped) != 0 {
		t.Errorf("delivered %q, dropped %v", texts, dropped)
	}
	if rx := x.b.known(x.a).rx.packets.Load(); rx != 3 {
		t.Errorf("%d packets counted for the peer", rx)
	}
}

func TestAClearFrameFromElsewhereBehindOneFromThePeerIsRefused(t *testing.T) {
	x := newTrio(t, byHand{clear: true})
	good := x.datagram(x.a, x.frame(x.a, udp(pod(1), pod(2), "good")))
	for _, other := range []encap.Endpoint{{Addr: laneSource}, {Addr: elsewhere}, x.b.from(x.c)} {
		bad := encap.Datagram{From: other, Data: x.frame(x.a, udp(pod(1), pod(2), "bad"))}
		texts, dropped := x.take(good, bad, good)
		if len(texts) != 2 || len(dropped) != 1 || dropped[WrongEndpoint] != 1 {
			t.Errorf("from %v: delivered %q, dropped %v", other.Addr, texts, dropped)
		}
	}
}

func TestATableThatChangesIsInForceWithTheNextBatch(t *testing.T) {
	x := newTrio(t, byHand{})
	frame := func() encap.Datagram { return x.datagram(x.a, x.frame(x.a, udp(pod(1), pod(2), "x"))) }
	if texts, _ := x.take(frame()); len(texts) != 1 {
		t.Fatal("nothing goes through")
	}
	x.a.config.Prefixes, x.c.config.Prefixes = nil, append(x.c.config.Prefixes, x.a.config.Prefixes...)
	x.b.router.setTable(x.b.table(x.a, x.c))
	if texts, dropped := x.take(frame()); len(texts) != 0 || dropped[SpoofedSource] != 1 {
		t.Errorf("a is not the owner any more: delivered %q, dropped %v", texts, dropped)
	}
}

func TestWhatEachPeerSentIsCountedForIt(t *testing.T) {
	x := newTrio(t, byHand{})
	a, c := udp(pod(1), pod(2), "from a"), udp(pod(3), pod(2), "something longer from c")
	x.take(x.datagram(x.a, x.frame(x.a, a)), x.datagram(x.c, x.frame(x.c, c)), x.datagram(x.a, x.frame(x.a, a)))
	for _, want := range []struct {
		from           *side
		packets, bytes int
	}{{x.a, 2, 2 * len(a)}, {x.c, 1, len(c)}} {
		rx := &x.b.known(want.from).rx
		if rx.packets.Load() != uint64(want.packets) || rx.bytes.Load() != uint64(want.bytes) {
			t.Errorf("%s: %d packets, %d bytes, want %+v", want.from.name, rx.packets.Load(), rx.bytes.Load(), want)
		}
	}
}

// Anybody can make a clear frame: it proves nothing but that somebody knows the index.
func TestAClearFrameNeitherShowsThatThePathWorksNorConfirmsKeys(t *testing.T) {
	x := newTrio(t, byHand{clear: true})
	pb := x.b.known(x.a)
	handshake(t, x.a, x.b)
	before := pb.session.Current()
	pb.heard.Store(0)
	texts, dropped := x.take(x.datagram(x.a, x.frame(x.a, udp(pod(1), pod(2), "new keys"))))
	if len(texts) != 1 || len(dropped) != 0 {
		t.Errorf("delivered %q, dropped %v", texts, dropped)
	}
	if x.b.settle() != 0 || pb.session.Current() != before || pb.heard.Load() != 0 {
		t.Error("it counted as authenticated")
	}
}

func TestAFrameThatIsCarriedOverKeepsItsCongestionMark(t *testing.T) {
	x := newLanes(t)
	ip := packettest.IP{Src: pod(1), Dst: pod(2), TOS: 2}
	frame, err := x.a.known(x.b).session.Current().SealData(make([]byte, 0, 200), 1, 0, packettest.UDP{IP: ip}.Build())
	check(t, err)
	x.b.lane(3).inbound([]encap.Datagram{{From: x.b.from(x.a), Data: frame, ECN: ecnCE}})
	x.b.lane(1).takeMail()
	if got := written(x.dev.Queue(1)); len(got) != 1 || ecnOf(got[0].Data) != ecnCE {
		t.Errorf("%d packets, or not marked", len(got))
	}
}

// What a control frame proves, a data frame of a session may not: the source is the inner one.
func TestAPeerMayCarryOnlyWhatItOwnsWhereverItIs(t *testing.T) {
	x := newTrio(t, byHand{})
	at := encap.Endpoint{Addr: netip.AddrPortFrom(addr4(3), testPort), Local: addr4(2)} // c's place
	frame := x.frame(x.a, udp(pod(3), pod(2), "as c"))
	if texts, dropped := x.take(encap.Datagram{From: at, Data: bytes.Clone(frame)}); len(texts) != 0 || dropped[SpoofedSource] != 1 {
		t.Errorf("delivered %q, dropped %v", texts, dropped)
	}
}
