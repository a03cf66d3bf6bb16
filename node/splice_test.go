package node

import (
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/router"
)

func TestGossipStreamsOfTwoThatCannotCallEachOtherAreJoinedUnlessTheThirdRefuses(t *testing.T) {
	for name, refuses := range map[string]bool{"joins": false, "refuses": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, lan, func(t *testing.T, s *site) {
				policy := func(c *config.Config) {
					if refuses {
						c.Relay = config.RelayRefuse
					}
				}
				b, a, c := s.machine(1, policy), s.machine(2), s.machine(3)
				s.net.Cut(a.host, c.host)
				for _, m := range []*machine{b, a, c} {
					m.start()
				}
				within(t, 10*time.Second, "all are members", func() bool {
					return a.peer(c.cfg.Name).Member && c.peer(a.cfg.Name).Member
				})
				time.Sleep(3 * time.Minute) // memberlist exchanges everything with somebody every 30 s
				streams := b.status().Node.Streams
				if streams.Unspliced > 0 != refuses || streams.Spliced > 0 == refuses {
					t.Errorf("%+v", streams)
				}
				_, err := b.node.splicing.way(a.node.identity.Fingerprint(), c.node.identity.Fingerprint())
				if refused := err != nil && strings.Contains(err.Error(), "relay: refuse"); refused != refuses {
					t.Errorf("%v", err)
				}
				if !a.peer(c.cfg.Name).Member || !c.peer(a.cfg.Name).Member {
					t.Error("a member is taken for dead")
				}
			})
		})
	}
}

func TestACallForAStreamOfANodeThatNobodyKnowsIsRefused(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a, _ := s.pair()
		if _, err := a.node.splicing.way(a.node.identity.Fingerprint(), [32]byte{9}); err == nil {
			t.Error("it has a way to nobody")
		}
		for id := range uint64(3 * spliceQueue) { // a peer that asks without end is not answered without end
			a.node.splicing.hear([32]byte{9}, id+1)
		}
		if n := len(a.node.splicing.calls); n > spliceQueue {
			t.Errorf("%d calls wait", n)
		}
	})
}

// Through whom streams go changes with every round trip: that they do is said once, and again after they did not.
func TestThatStreamsGoThroughPeersIsSaidOnce(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a, b, c := s.trio()
		log, to := a.logged(), c.node.identity.Fingerprint()
		said := func() int { return log.count("node.stream.through") }
		for _, name := range []string{"one", "another", "one"} {
			a.node.splicing.tell(to, router.PeerStatus{ID: b.node.identity.Fingerprint(), Name: name})
		}
		if said() != 1 {
			t.Errorf("said %d times:\n%s", said(), log.text())
		}
		stream, err := a.node.splicing.dial(t.Context(), to, a.node.claimedBy(to))
		must(t, err)
		stream.Close()
		a.node.splicing.tell(to, router.PeerStatus{Name: "one"})
		if said() != 2 {
			t.Errorf("said %d times after a stream that went straight:\n%s", said(), log.text())
		}
	})
}
