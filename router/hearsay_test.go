package router

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/encap"
)

// dating makes the side one whose claim says that it stamps its gossip.
func dating(s *side) { s.config.Capabilities |= encap.CapSecrets }

// hearsay sends b a packet without a session, and returns its frames.
func hearsay(t *testing.T, a, b *side, packet string) [][]byte {
	t.Helper()
	a.tap.record()
	if err := a.router.SendGossip(b.id(), b.config.Endpoints, []byte(packet)); err != nil {
		t.Fatal(err)
	}
	time.Sleep(10 * time.Millisecond)
	return slices.DeleteFunc(a.tap.frames(), func(f []byte) bool { return encap.Type(f[0]&15) != encap.GossipType })
}

// strangers lets two sides know each other, but not where to call each other: there is no session.
func strangers(a, b *side) {
	knows := func(s, peer *side) {
		known := peer.config
		known.Endpoints = nil
		if err := s.router.Set(Table{Local: s.config.Prefixes, Peers: []PeerConfig{known}}); err != nil {
			s.t.Fatal(err)
		}
	}
	knows(a, b)
	knows(b, a)
}

func TestReplayedHearsayIsDroppedAndCounted(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1, dating), w.side(2, dating)
		strangers(a, b)
		frames := hearsay(t, a, b, "once")
		if len(frames) != 1 || len(b.heard()) != 1 {
			t.Fatalf("%d frames, %d heard", len(frames), len(b.heard()))
		}
		for range 1000 {
			a.sendRaw(b, 0, frames[0])
		}
		time.Sleep(10 * time.Millisecond)
		if got, refused := len(b.heard()), b.drops()[Replayed]+b.drops()[ControlFull]; got != 1 || refused != 1000 {
			t.Errorf("%d times heard, %d refused", got, refused)
		}
	})
}

func TestHearsayOfARunBeforeIsDroppedAfterARestart(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1, dating), w.side(2, dating)
		strangers(a, b)
		old := hearsay(t, a, b, "of the first run")
		a.crash()
		a.start()
		strangers(a, b)
		hearsay(t, a, b, "of the second run")
		a.sendRaw(b, 0, old[0])
		time.Sleep(10 * time.Millisecond)
		if len(b.heard()) != 2 || b.drops()[Replayed] != 1 {
			t.Errorf("heard %v, %d replayed", b.heard(), b.drops()[Replayed])
		}
	})
}

// Frames without a stamp are for peers of builds that know no other; in the name of others they are refused.
func TestHearsayWithoutAStampIsForEarlierBuildsAlone(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b, old := w.side(1, dating), w.side(2, dating), w.side(3)
		strangers(a, b)
		undated := a.router.gossip.SealUndated(nil, []byte("an old frame"), time.Now())
		a.sendRaw(b, 0, undated)
		time.Sleep(10 * time.Millisecond)
		if len(b.heard()) != 0 || b.drops()[GossipRefused] != 1 {
			t.Errorf("heard %v, %d refused", b.heard(), b.drops()[GossipRefused])
		}
		strangers(a, old)
		frames := hearsay(t, a, old, "as you know it")
		if len(frames) != 1 || frames[0][4]>>7 != 0 {
			t.Errorf("sent %x", frames)
		}
		strangers(b, old)
		hearsay(t, old, b, "as I know it")
		if got := b.heard(); len(got) != 1 {
			t.Errorf("heard %v", got)
		}
	})
}

func TestHearsayOfAClockThatIsDaysOffIsNamedAndSessionsAreMadeAllTheSame(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1, dating), w.side(2, dating)
		strangers(a, b)
		a.sendRaw(b, 0, a.router.gossip.Seal(nil, []byte("x"), time.Now().AddDate(0, 0, -3)))
		time.Sleep(10 * time.Millisecond)
		if n, e := b.last(Misdated); n != 1 || e.Peer != a.id() || !strings.Contains(e.Reason, "3 days behind our clock") {
			t.Errorf("%d events, the last %+v", n, e)
		}
		if b.drops()[GossipMisdated] != 1 || len(b.heard()) != 0 {
			t.Errorf("%d counted, heard %v", b.drops()[GossipMisdated], b.heard())
		}
		w.join(a, b)
	})
}
