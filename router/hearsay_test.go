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

// proving makes the side one whose claim says that it proves its gossip.
func proving(s *side) { s.config.Capabilities |= encap.CapSecrets | encap.CapPairGossip }

// Whoever has the secret seals frames in a's name with stamps far ahead of any that a will ever make.
func TestWhoHasTheSecretShutsNobodyOut(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b, thief := w.side(1, proving), w.side(2, proving), w.side(3)
		strangers(a, b)
		ahead := encap.NewGossipSealer(a.local, a.boot, encap.Stamps(1<<62))
		thief.sendRaw(b, 0, ahead.Seal(nil, []byte("in a's name"), time.Now()))
		time.Sleep(10 * time.Millisecond)
		frames := hearsay(t, a, b, "of a itself")
		if got := b.heard(); len(frames) != 1 || len(got) != 2 {
			t.Fatalf("%d frames, heard %v", len(frames), got)
		}
		a.crash()
		a.start()
		strangers(a, b)
		hearsay(t, a, b, "of a after a restart")
		if got := b.heard(); len(got) != 3 {
			t.Errorf("after a restart: heard %v", got)
		}
		a.sendRaw(b, 0, frames[0])
		time.Sleep(10 * time.Millisecond)
		if got := b.drops()[Replayed]; got != 1 || len(b.heard()) != 3 {
			t.Errorf("%d replayed, heard %v", got, b.heard())
		}
	})
}

func TestHearsayWithAProofThatIsNotTheSendersIsRefused(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b, c := w.side(1, proving), w.side(2, proving), w.side(3, proving)
		strangers(a, b)
		forged := encap.NewGossipSealer(a.local, a.boot, encap.Stamps(1<<62))
		pair, err := encap.NewGossipPair(c.local.Identity, b.local.Identity.Public())
		if err != nil {
			t.Fatal(err)
		}
		c.sendRaw(b, 0, forged.SealFor(pair, nil, []byte("in a's name"), time.Now()))
		toC, err := encap.NewGossipPair(a.local.Identity, c.local.Identity.Public())
		if err != nil {
			t.Fatal(err)
		}
		c.sendRaw(b, 0, a.router.gossip.SealFor(toC, nil, []byte("a's word to c"), time.Now()))
		time.Sleep(10 * time.Millisecond)
		if got := b.drops()[GossipRefused]; got != 2 || len(b.heard()) != 0 {
			t.Errorf("%d refused, heard %v", got, b.heard())
		}
		if hearsay(t, a, b, "a's own word"); len(b.heard()) != 1 {
			t.Errorf("heard %v", b.heard())
		}
	})
}

// Of two nodes that both prove their gossip, one may not have the other's claim yet.
func TestHearsayWithoutAProofIsTakenOfAPeerThatDoesNotKnowUs(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b, old := w.side(1, proving), w.side(2, proving), w.side(3, dating)
		strangers(a, b)
		if err := a.router.Set(Table{Local: a.config.Prefixes}); err != nil {
			t.Fatal(err)
		}
		frames := hearsay(t, a, b, "who are you?")
		if len(frames) != 1 || frames[0][1] != 0 || len(b.heard()) != 1 {
			t.Errorf("%d frames, heard %v", len(frames), b.heard())
		}
		strangers(b, old)
		if frames := hearsay(t, b, old, "without a proof"); len(frames) != 1 || frames[0][1] != 0 {
			t.Errorf("to a build that knows no proofs: %x", frames)
		}
		strangers(a, b)
		if err := b.router.Set(Table{Local: b.config.Prefixes}); err != nil {
			t.Fatal(err)
		}
		before := len(b.heard())
		if frames := hearsay(t, a, b, "you are new"); len(frames) != 2 || frames[1][1] != encap.FlagProven || len(b.heard()) != before+1 {
			t.Errorf("%x, heard %v", frames, b.heard())
		}
	})
}
