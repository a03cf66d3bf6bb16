package node

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/trust"
)

// secrets writes a secret file with secrets by number.
func (m *machine) secrets(file string, numbers ...byte) {
	m.t.Helper()
	text := "# the first is spoken under\n"
	for _, n := range numbers {
		text += secretOf(n).Text() + "\n"
	}
	must(m.t, os.WriteFile(file, []byte(text), 0o600))
}

func secretOf(n byte) (s trust.Secret) {
	for i := range s {
		s[i] = n
	}
	return s
}

// holds are the ids of the secrets that status shows.
func (m *machine) holds() (ids []string) {
	m.t.Helper()
	for i, s := range m.status().Node.Secrets {
		if s.First != (i == 0) || s.Since.IsZero() {
			m.t.Errorf("secret %+v at place %d", s, i)
		}
		ids = append(ids, s.ID)
	}
	return ids
}

func TestAnotherSecretIsInForceAtOnceAndNamedByItsID(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		m := s.machine(1)
		m.start()
		seven, eight := secretOf(7).ID().Short(), secretOf(8).ID().Short()
		if got := m.holds(); !slices.Equal(got, []string{seven}) {
			t.Errorf("status shows %v", got)
		}
		m.secrets(m.cfg.SecretFile, 7, 8)
		done, err := m.reload(unchanged)
		must(t, err)
		if want := (api.Change{Key: "secret", Old: seven, New: seven + " and " + eight}); !slices.Equal(done.Changed, []api.Change{want}) || len(done.Waiting) > 0 {
			t.Errorf("%+v, want %v", done, want)
		}
		other := m.cfg.SecretFile + ".next"
		m.secrets(other, 8)
		done, err = m.reload(func(c *config.Config) { c.SecretFile = other })
		must(t, err)
		if got := m.holds(); len(done.Changed) != 2 || !slices.Equal(got, []string{eight}) {
			t.Errorf("%+v, holds %v", done, got)
		}
		shown := fmt.Sprintf("%+v %+v", done, m.status())
		for _, n := range []byte{7, 8} {
			if strings.Contains(shown, secretOf(n).Text()[:20]) {
				t.Errorf("secret %d is shown", n)
			}
		}
	})
}

func TestASecretFileThatIsWrongLeavesAllSecretsInForce(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		m := s.machine(1)
		m.start()
		m.secrets(m.cfg.SecretFile, 8, 9, 10)
		if _, err := m.reload(unchanged); err == nil || !strings.Contains(err.Error(), "line 4: not a cluster secret: it is one too many") {
			t.Errorf("reload: %v", err)
		}
		if got := m.holds(); !slices.Equal(got, []string{secretOf(7).ID().Short()}) {
			t.Errorf("holds %v", got)
		}
	})
}

func TestTwoNodesRotateByFileAndStayConnected(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a, b := s.machine(1), s.machine(2)
		a.start()
		b.start()
		within(t, 10*time.Second, "both reach each other", func() bool { return a.routes(b) && b.routes(a) })
		for _, step := range [][]byte{{7, 8}, {8, 7}, {8}} {
			for _, m := range []*machine{a, b} {
				m.secrets(m.cfg.SecretFile, step...)
				_, err := m.reload(unchanged)
				must(t, err)
				time.Sleep(time.Second)
			}
		}
		time.Sleep(10 * time.Second)
		for _, m := range []*machine{a, b} {
			p := m.status().Peers[0]
			if p.State != api.StateUp || p.Secret != secretOf(8).ID().Short() || time.Since(p.Since) < 10*time.Second {
				t.Errorf("%s: %+v", m.cfg.Name, p)
			}
		}
	})
}

func TestSessionsCarryARotationAndAStrangerIsToldWhatToDo(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a, b := s.machine(1), s.machine(2)
		a.start()
		b.start()
		within(t, 10*time.Second, "both reach each other", func() bool { return a.routes(b) && b.routes(a) })
		for i := range 3 {
			r, err := a.node.secrets.Rotate(t.Context(), nil, nil)
			must(t, err)
			if !r.Done || r.Over != (i == 2) || r.Nodes[1].Name != b.cfg.Name {
				t.Errorf("step %d: %+v", i+1, r)
			}
		}
		if x, y := a.holds(), b.holds(); len(x) != 1 || !slices.Equal(x, y) || x[0] == secretOf(7).ID().Short() {
			t.Errorf("they hold %v and %v", x, y)
		}
		late := s.machine(3)
		late.start()
		within(t, 20*time.Second, "it is refused, and told", func() bool {
			return slices.ContainsFunc(a.status().Node.Refused, func(n api.Note) bool {
				return strings.Contains(n.Reason, "was retired here on") && strings.Contains(n.Reason, "'weft reload' there")
			})
		})
		within(t, time.Second, "it shows why", func() bool {
			list := late.status().Node.Refused
			return len(list) > 0 && strings.Contains(list[0].Reason, "needs the secret_file of a member")
		})
	})
}

func TestWhoWentBackToAnOldSecretIsToldThatItsOwnFileIsOld(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a, b := s.machine(1), s.machine(2)
		for _, m := range []*machine{a, b} {
			m.start()
			m.secrets(m.cfg.SecretFile, 8)
			_, err := m.reload(unchanged)
			must(t, err)
		}
		within(t, time.Minute, "both reach each other", func() bool { return a.routes(b) && b.routes(a) })
		b.secrets(b.cfg.SecretFile, 7)
		b.stop()
		b.start()
		for m, want := range map[*machine]string{a: "'weft reload' there", b: "if an old secret_file was put back here"} {
			within(t, time.Minute, want, func() bool {
				return slices.ContainsFunc(m.status().Node.Refused, func(n api.Note) bool { return strings.Contains(n.Reason, want) })
			})
		}
	})
}
