package router

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/trust"
)

// strict makes a side take certified nodes only. Which those are is for the mesh to say, through the table.
func strict(s *side) {
	a, err := trust.NewAuthority(rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	s.authorities = trust.AuthorityKeys{a.Public()}
}

func TestAStrictNodeGossipsInsideSessionsAlone(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1, strict), w.side(2, strict)
		strangers(a, b)
		if frames := hearsay(t, a, b, "to a stranger"); len(frames) != 0 || len(b.heard()) != 0 {
			t.Errorf("%d gossip frames without a session, %v heard", len(frames), b.heard())
		}
		w.join(a, b)
		time.Sleep(time.Second)
		if err := a.router.SendGossip(b.id(), b.config.Endpoints, []byte("inside")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
		if got := b.heard(); len(got) != 1 || got[0].packet != "inside" {
			t.Errorf("heard %v", got)
		}
	})
}

// What a stolen secret alone can say to a strict node: hearsay in the name of a member, and initiations of its own key.
func TestASecretAloneOpensNothingOfAStrictNode(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b, thief := w.side(1, strict), w.side(2, strict), w.side(3)
		w.join(a, b)
		thief.set(a, b)
		time.Sleep(time.Second)
		for range 10 {
			thief.sendRaw(b, 0, thief.router.gossip.Seal(nil, []byte("of mine"), time.Now()))
			thief.sendRaw(b, 0, encap.NewGossipSealer(a.local, a.boot, encap.Stamps(9)).Seal(nil, []byte("in a's name"), time.Now()))
		}
		time.Sleep(10 * time.Second)
		drops := b.drops()
		if len(b.heard()) != 0 || drops[GossipBarred] != 20 {
			t.Errorf("heard %v, %d dropped as uncertified, want 20", b.heard(), drops[GossipBarred])
		}
		if drops[UnknownPeer] == 0 || thief.up(b) || b.up(thief) {
			t.Errorf("%d initiations refused; the thief has a path: %v", drops[UnknownPeer], thief.up(b))
		}
	})
}
