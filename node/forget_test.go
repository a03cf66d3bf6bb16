package node

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/config"
)

// forgets asks the node to forget a peer, as the command does.
func (m *machine) forgets(name string) (code int, answer string) {
	w := httptest.NewRecorder()
	m.node.serveForget(w, httptest.NewRequest(http.MethodPost, "/v1/forget?peer="+name, nil))
	return w.Code, w.Body.String()
}

func TestAPeerThatIsAwayIsForgottenByAllAndOneThatIsThereByNobody(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a, b, c := s.trio()
		if code, said := a.forgets("node-3"); code != http.StatusConflict || !strings.HasPrefix(said, "node-3: it is there: ") {
			t.Errorf("a live one: %d %s", code, said)
		}
		if code, said := a.forgets("node-9"); code != http.StatusNotFound || !strings.Contains(said, `"node-9"`) {
			t.Errorf("an unknown one: %d %s", code, said)
		}
		if code, said := a.forgets(strings.Repeat("x", 5000)); code != http.StatusNotFound || len(said) > 200 {
			t.Errorf("a very long one: %d, %d bytes", code, len(said))
		}
		c.kill()
		within(t, 30*time.Second, "c is dead to gossip", func() bool {
			code, _ := a.forgets("node-3")
			return code == http.StatusOK
		})
		within(t, 30*time.Second, "b has forgotten it", func() bool { return len(a.status().Peers) == 1 && len(b.status().Peers) == 1 })
		c.start()
		within(t, 10*time.Second, "it is back", func() bool { return a.routes(b, c) && b.routes(a, c) })
	})
}

func TestAPeerThatIsDownAndHeardByGossipIsSaidToBeSo(t *testing.T) {
	for state, want := range map[string]error{api.StateUp: errPeerPresent, api.StateDown: errPeerHeard, api.StateUnknown: errPeerHeard} {
		if got := whyPresent(state); got != want {
			t.Errorf("%s: %v", state, got)
		}
	}
}

// A peer that gossip does not reach, but a path does, is there.
func TestAPeerThatAPathReachesIsNotForgottenWhateverGossipSays(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a, b, _ := s.trio()
		id := b.node.identity.Fingerprint()
		if !a.node.present(id) {
			t.Error("a peer whose path is up is not there")
		}
		b.kill()
		within(t, 10*time.Second, "it is not there", func() bool { return !a.node.present(id) })
	})
}

func TestAShorterLeaseCountsAfterAReload(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a, _, c := s.trio()
		c.kill()
		time.Sleep(5 * time.Minute)
		if len(a.status().Peers) != 2 {
			t.Fatal("the lease is a day, and the peer is forgotten")
		}
		_, err := a.reload(func(c *config.Config) { c.Lease = 2 * time.Minute })
		must(t, err)
		within(t, 10*time.Second, "it is forgotten", func() bool { return len(a.status().Peers) == 1 })
	})
}

func TestThisNodeIsNoPeerOfItself(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a, b := s.pair()
		for _, name := range []string{a.cfg.Name, a.node.identity.Fingerprint().String()[:8]} {
			if _, err := a.node.peerNamed(name); !errors.Is(err, ErrUnknownPeer) || !strings.HasSuffix(err.Error(), "is this node itself") {
				t.Errorf("%s: %v", name, err)
			}
		}
		if p, err := a.node.peerNamed(b.cfg.Name); err != nil || p.ID != b.node.identity.Fingerprint().String() {
			t.Errorf("%s: %v, %v", b.cfg.Name, p.ID, err)
		}
	})
}
