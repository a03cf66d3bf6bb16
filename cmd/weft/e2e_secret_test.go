package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weftnet/weft/lab/cluster"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/trust"
)

func secretFile(n *cluster.Node) string { return filepath.Join(n.Dir(), "secret") }

// secretsOf are the secrets in a node's secret file.
func secretsOf(t *testing.T, n *cluster.Node) []trust.Secret {
	t.Helper()
	f, err := trust.ReadSecrets(secretFile(n))
	if err != nil {
		t.Fatal(err)
	}
	return f.Secrets
}

// awaitSessionsUnder waits until each running node speaks under the secret with every peer that is up.
func awaitSessionsUnder(t *testing.T, nodes []*cluster.Node, s trust.Secret) {
	t.Helper()
	for _, n := range nodes {
		err := n.AwaitStatus(within(t, patience), func(st *api.Status) (bool, string) {
			for _, p := range st.Peers {
				if p.State == api.StateUp && p.Secret != s.ID().Short() {
					return false, fmt.Sprintf("the session with %s is under %s", p.Name, p.Secret)
				}
			}
			return true, ""
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// pingRound pings from each node to the next.
func pingRound(t *testing.T, nodes []*cluster.Node) (running []pinging) {
	t.Helper()
	for i, n := range nodes {
		running = append(running, startPinging(t, n, status(t, nodes[(i+1)%len(nodes)]).Node.Addresses[0]))
	}
	return running
}

func noLosses(t *testing.T, running []pinging) {
	t.Helper()
	for _, p := range running {
		if lost, sent := p.losses(t); lost > 0 || sent < 5 {
			t.Errorf("%d of %d packets were lost", lost, sent)
		}
	}
}

func TestASecretIsRotatedByFileWithoutALostPacket(t *testing.T) {
	c := newCluster(t, 3)
	startAll(t, c)
	running := pingRound(t, c.Nodes)
	old, next := secretsOf(t, c.Nodes[0])[0], trust.Secret{1, 2, 3}
	to := status(t, c.Nodes[0]).Node.Addresses[0]
	for _, held := range [][]trust.Secret{{old, next}, {next, old}, {next}} {
		for _, n := range c.Nodes {
			text := "# changed by hand\n"
			for _, s := range held {
				text += s.Text() + "\n"
			}
			if err := os.WriteFile(secretFile(n), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if said := reload(t, n); !strings.HasPrefix(said, "changed: secret (") {
				t.Errorf("weft reload says %q", said)
			}
			awaitPing(t, n, to)
		}
	}
	awaitSessionsUnder(t, c.Nodes, next)
	noLosses(t, running)
	if got := status(t, c.Nodes[2]).Node.Secrets; len(got) != 1 || got[0].ID != next.ID().Short() || !got[0].First || got[0].Since.IsZero() {
		t.Errorf("status shows %+v", got)
	}
}

// rotate runs 'weft secret rotate' and returns what it says.
func rotate(t *testing.T, n *cluster.Node, flags ...string) (*api.Rotation, error) {
	t.Helper()
	out, err := n.Weft(within(t, patience), append([]string{"secret", "rotate", "--json", "--socket", n.Socket()}, flags...)...)
	var r api.Rotation
	if json.Unmarshal([]byte(out), &r) != nil {
		return nil, err
	}
	return &r, err
}

func TestASecretIsRotatedThroughSessionsAlsoAcrossAKillWithoutALostPacket(t *testing.T) {
	for _, encryption := range []string{"on", "off"} {
		t.Run("encryption "+encryption, func(t *testing.T) {
			c := newCluster(t, 3, "--encryption", encryption)
			startAll(t, c)
			running := pingRound(t, c.Nodes[:2])
			stop := capture(t, c.Nodes[0])
			old := secretsOf(t, c.Nodes[0])[0]
			for i, leader := range []*cluster.Node{c.Nodes[0], c.Nodes[1], c.Nodes[0]} {
				r, err := rotate(t, leader)
				if err != nil || !r.Done || r.Over != (i == 2) {
					t.Fatalf("step %d: %+v, %v", i+1, r, err)
				}
				if err := c.Nodes[2].Kill(within(t, patience)); err != nil {
					t.Fatal(err)
				}
				if err := c.Nodes[2].Up(); err != nil {
					t.Fatal(err)
				}
				awaitAll(t, c)
			}
			next := secretsOf(t, c.Nodes[0])
			for _, n := range c.Nodes {
				if got := secretsOf(t, n); !slices.Equal(got, next) || len(got) != 1 || got[0] == old {
					t.Errorf("%s holds another secret, or %d", n.Name(), len(got))
				}
				if info, err := os.Stat(secretFile(n)); err != nil || info.Mode().Perm() != 0o600 {
					t.Errorf("%s: %v, %v", n.Name(), info.Mode(), err)
				}
			}
			awaitSessionsUnder(t, c.Nodes, next[0])
			noLosses(t, running[:1])
			if packets, hits := stop(string(next[0][:])); hits > 0 || packets < 30 {
				t.Errorf("%d of %d packets show the new secret", hits, packets)
			}
			nothingShown(t, c.Nodes, old, next[0])
		})
	}
}

// In a strict cluster the authority's permit leads, and nothing else: its key is on no node.
func TestAStrictClusterRotatesItsSecretWithTheAuthoritysPermitAlone(t *testing.T) {
	o := newOperator(t, 3)
	startAll(t, o.Cluster)
	a, b := o.Nodes[0], o.Nodes[1]
	running := pingRound(t, o.Nodes)
	old := secretsOf(t, a)[0]
	if _, err := rotate(t, a); err == nil || !strings.Contains(err.Error(), "weft authority rotate") {
		t.Errorf("without a permit: %v", err)
	}
	request := strings.Fields(o.weft(t, a, "secret", "rotate", "--request", "--socket", a.Socket()))
	if held := secretsOf(t, b); len(held) != 1 || held[0] != old {
		t.Error("another node was given a secret that nobody has signed")
	}
	foreign, permit := filepath.Join(a.Dir(), "foreign"), filepath.Join(a.Dir(), "permit")
	o.weft(t, a, "authority", "new", "--key", foreign+".key", "--public", foreign+".pub")
	for file, key := range map[string]string{foreign: foreign + ".key", permit: o.key} {
		text := o.weft(t, a, append([]string{"authority", "rotate", "--key", key}, request...)...)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := rotate(t, a, "--signed", foreign); err == nil || !strings.Contains(err.Error(), "of another authority") {
		t.Errorf("with a permit of another authority: %v", err)
	}
	for i, step := range []struct {
		leader *cluster.Node
		flags  []string
	}{{a, []string{"--signed", permit}}, {b, nil}, {a, nil}} {
		if r, err := rotate(t, step.leader, step.flags...); err != nil || !r.Done || r.Over != (i == 2) {
			t.Fatalf("step %d: %+v, %v", i+1, r, err)
		}
	}
	next := secretsOf(t, a)
	for _, n := range o.Nodes {
		if got := secretsOf(t, n); !slices.Equal(got, next) || len(got) != 1 || got[0] == old {
			t.Errorf("%s holds another secret, or %d", n.Name(), len(got))
		}
	}
	awaitSessionsUnder(t, o.Nodes, next[0])
	noLosses(t, running)
	if _, err := rotate(t, b, "--signed", permit); err == nil || !strings.Contains(err.Error(), "no rotation has begun") {
		t.Errorf("the same permit again: %v", err)
	}
	nothingShown(t, o.Nodes, old, next[0])
}

// nothingShown checks that secrets and node keys are in no output of the nodes.
func nothingShown(t *testing.T, nodes []*cluster.Node, secrets ...trust.Secret) {
	t.Helper()
	for _, n := range nodes {
		shown, err := n.Daemon().Stderr()
		if err != nil {
			t.Fatal(err)
		}
		for _, command := range [][]string{{"status"}, {"status", "--json"}, {"peers", "--json"}, {"secret", "rotate", "--status"}} {
			out, err := n.Weft(within(t, patience), append(command, "--socket", n.Socket())...)
			if err != nil {
				t.Error(err)
			}
			shown += out
		}
		shown += metricsOf(t, n)
		record, err := os.ReadFile(filepath.Join(n.StateDir(), "secrets.json"))
		if err != nil {
			t.Error(err)
		}
		shown += string(record)
		for _, s := range secrets {
			keys := s.Derive()
			for _, k := range [][32]byte{s, keys.Gossip, keys.Stream, keys.PSK, keys.MAC, keys.Token} {
				for _, form := range []string{string(k[:]), trust.Secret(k).Text()[:42], fmt.Sprintf("%x", k[:8])} {
					if strings.Contains(shown, form) {
						t.Errorf("%s shows a key", n.Name())
					}
				}
			}
		}
	}
}

// metricsOf is what a node's metrics say.
func metricsOf(t *testing.T, n *cluster.Node) string {
	t.Helper()
	resp, err := fetch(t, n, "http://"+defaultMetrics+"/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil || !strings.Contains(string(raw), "weft_secret_since_timestamp_seconds{") {
		t.Errorf("metrics: %v, %d bytes", err, len(raw))
	}
	return string(raw)
}

func TestANodeThatIsAwayHoldsARotationUpUntilItIsLeftOutAndIsToldWhatToDoWhenItComesBack(t *testing.T) {
	c := newCluster(t, 3)
	startAll(t, c)
	leader, away := c.Nodes[0], c.Nodes[2]
	if err := away.Kill(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	awaitPeer(t, leader, "vm-3", api.StateDown)
	if r, err := rotate(t, leader); err == nil || !strings.Contains(err.Error(), "vm-3") || r.Done {
		t.Errorf("with a node away: %+v, %v", r, err)
	}
	for i := range 2 {
		if r, err := rotate(t, leader, "--without", "vm-3"); err != nil || !r.Done || r.Over != (i == 1) {
			t.Fatalf("without it: %+v, %v", r, err)
		}
	}
	if err := away.Up(); err != nil {
		t.Fatal(err)
	}
	for n, want := range map[*cluster.Node]string{leader: "was retired here on", away: "needs the secret_file of a member"} {
		err := n.AwaitStatus(within(t, patience), func(s *api.Status) (bool, string) {
			told := slices.ContainsFunc(s.Node.Refused, func(r api.Note) bool { return strings.Contains(r.Reason, want) })
			return told, fmt.Sprintf("refused: %+v", s.Node.Refused)
		})
		if err != nil {
			t.Error(err)
		}
	}
	raw, err := os.ReadFile(secretFile(leader))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(secretFile(away), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	reload(t, away)
	awaitAll(t, c)
}
