package router

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/packet"
)

const canary = "what nobody on the way may read"

// state is one that a node can be in towards a peer: reach brings a there, from knowing b and nothing more.
type state struct {
	name  string
	reach func(t *testing.T, a, b *side)
}

// states are all stages of a session's life, as seen from a. Where b has one too it is in the same network and seals, but for the
// last ones, in which b has another mind.
func states() []state {
	established := func(t *testing.T, a, b *side) { shake(t, a, b) }
	return []state{
		{"nothing yet", func(*testing.T, *side, *side) {}},
		{"calling", func(t *testing.T, a, b *side) { initiated(t, a, b) }},
		{"answered", func(t *testing.T, a, b *side) { handshake(t, b, a) }},
		{"established by us", established},
		{"established by the peer", func(t *testing.T, a, b *side) { shake(t, b, a) }},
		{"rekeying", func(t *testing.T, a, b *side) { established(t, a, b); initiated(t, a, b) }},
		{"rekey answered", func(t *testing.T, a, b *side) { established(t, a, b); handshake(t, b, a) }},
		{"rekeyed", func(t *testing.T, a, b *side) { established(t, a, b); shake(t, a, b) }},
		{"rekeyed twice", func(t *testing.T, a, b *side) { established(t, a, b); shake(t, a, b); shake(t, b, a) }},
		{"suspended", func(t *testing.T, a, b *side) { established(t, a, b); a.router.suspend(a.known(b)) }},
		{"resumed", func(t *testing.T, a, b *side) {
			established(t, a, b)
			a.router.suspend(a.known(b))
			a.lane(0).outbound([]packet.Superpacket{{Data: udp(pod(1), pod(2), canary)}})
			shake(t, b, a)
			a.router.heardFrom(a.known(b), a.from(b), concluded)
		}},
		{"path down", func(t *testing.T, a, b *side) { established(t, a, b); a.router.down(a.known(b), "test") }},
		{"said goodbye", func(t *testing.T, a, b *side) { established(t, a, b); a.router.away(a.known(b), "test") }},
		{"keys expired", func(t *testing.T, a, b *side) {
			established(t, a, b)
			a.known(b).session.Expire(time.Now().Add(time.Hour))
		}},
		{"counter exhausted", func(t *testing.T, a, b *side) {
			established(t, a, b)
			exhaust(t, a.known(b).session.Current(), 0, 0)
		}},
		{"forgotten and met again", func(t *testing.T, a, b *side) {
			established(t, a, b)
			a.router.setTable(a.table())
			a.router.setTable(a.table(b))
		}},
		{"peer says off", func(t *testing.T, a, b *side) { refuses(t, a, b) }},
		{"peer says off since its restart", func(t *testing.T, a, b *side) { established(t, a, b); refuses(t, a, b) }},
	}
}

// initiated makes a call b.
func initiated(t *testing.T, a, b *side) []byte {
	t.Helper()
	frame, err := a.known(b).session.Initiate(time.Now())
	check(t, err)
	return frame
}

// refuses makes handshakes both ways with a b that does not seal.
func refuses(t *testing.T, a, b *side) {
	t.Helper()
	off := newSide(t, b.number)
	off.local.Settings.Encryption = false
	off.epoch = b.epoch + 1
	far := encap.NewSession(encap.SessionConfig{
		Local: off.local, Peer: a.local.Identity.Public(), Indexes: noIndexes{}, Stamp: encap.Stamps(7), Rand: rand.NewChaCha8([32]byte{98}),
	})
	var mismatch *encap.MismatchError
	frame, err := far.Initiate(time.Now())
	check(t, err)
	m, err := a.local.ReadInitiation(frame)
	check(t, err)
	if _, err = a.known(b).session.Accept(m, time.Now()); !errors.As(err, &mismatch) || mismatch.Field != "encryption" {
		t.Errorf("an initiation that says off: %v", err)
	}
	m, err = off.local.ReadInitiation(initiated(t, a, b))
	check(t, err)
	response, err := far.Accept(m, time.Now())
	if !errors.As(err, &mismatch) {
		t.Errorf("the peer that says off: %v", err)
	}
	if err = a.known(b).session.Complete(response, time.Now()); !errors.As(err, &mismatch) {
		t.Errorf("a response that says off: %v", err)
	}
}

// indexesOf are all indexes that frames to a node may carry now, and some that mean nothing.
func (s *side) indexesOf(p *side) []uint32 {
	list := []uint32{0, 1, 1 << 31}
	if m := s.router.indexes.m.Load(); m != nil {
		list = slices.AppendSeq(list, maps.Keys(*m))
	}
	return s.known(p).session.AppendAsked(list)
}

func TestWithEncryptionOnNoClearFrameIsSentOrTakenInAnyState(t *testing.T) {
	sending := 0 // states in which something was sent, and so was sealed
	for _, st := range states() {
		t.Run(st.name, func(t *testing.T) {
			a, b := hand(t, 1, byHand{}), hand(t, 2, byHand{})
			a.sink(0).record()
			a.router.setTable(a.table(b))
			b.router.setTable(b.table(a))
			st.reach(t, a, b)
			if checkSendsNothingClear(t, a) > 0 {
				sending++
			}
			checkTakesNothingClear(t, a, b)
		})
	}
	if sending != 8 {
		t.Errorf("packets were sent in %d states, want all in which there is a session", sending)
	}
}

// checkSendsNothingClear lets a lane send packets of all kinds, and looks at what left: so many frames.
func checkSendsNothingClear(t *testing.T, a *side) (frames int) {
	t.Helper()
	joined, _ := super(true, pod(1), pod(2), 0)
	a.lane(0).outbound([]packet.Superpacket{{Data: udp(pod(1), pod(2), canary)}, joined, {Data: udp(pod6(1), pod6(2), canary)}})
	for _, f := range a.sink(0).each() {
		h, err := encap.ParseHeader(f)
		if err != nil || h.Flags&encap.FlagClear != 0 || bytes.Contains(f, []byte(canary)) {
			t.Errorf("sent %x: %v", f, err)
		}
		frames++
	}
	return frames
}

// checkTakesNothingClear gives a clear frames of every index, with every flag, from b's endpoint and from elsewhere.
func checkTakesNothingClear(t *testing.T, a, b *side) {
	t.Helper()
	device := a.router.dev.Load().Device.(*countingDevice)
	before, dropped, sent := a.drops(), device.packets, uint64(0)
	for _, index := range a.indexesOf(b) {
		for flags := range 256 {
			if flags&int(encap.FlagClear) == 0 {
				continue
			}
			head := encap.Header{Type: encap.Data, Flags: uint8(flags), Index: index}
			for _, from := range []encap.Endpoint{a.from(b), {Addr: newSide(t, 9).endpoint().Addr}} {
				frame := append(head.Append(nil), udp(pod(2), pod(1), canary)...)
				a.lane(0).inbound([]encap.Datagram{{From: from, Data: frame}})
				sent++
			}
		}
	}
	if device.packets != dropped {
		t.Errorf("%d clear frames were taken", device.packets-dropped)
	}
	d := grown(before, a.drops())
	if got := d[ClearRefused] + d[UnknownIndex]; got != sent || len(d) > 2 {
		t.Errorf("%s, want all %d refused", fmt.Sprint(d), sent)
	}
}
