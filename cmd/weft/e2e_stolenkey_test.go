package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weftnet/weft/lab/cluster"
	"github.com/weftnet/weft/node/api"
)

// Somebody has copied a host's state directory. Its owner replaces the key and goes away; then the copy starts elsewhere, under the
// host's name, and knows the cluster's secret.
func TestAStolenKeyThatItsOwnerHasReplacedTakesNothingBack(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2)
	startAll(t, c)
	a, owner := c.Nodes[0], c.Nodes[1]
	was := status(t, owner).Node
	stolen := filepath.Join(t.TempDir(), "state")
	copyState(t, owner.StateDir(), stolen)
	if out, err := owner.Weft(within(t, patience), "key", "replace", "--config", owner.Config()); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := owner.Stop(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	if err := owner.Up(); err != nil {
		t.Fatal(err)
	}
	if _, err := owner.Addresses(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	heir := status(t, owner).Node.ID
	awaitSuccessor(t, a, "vm-2", heir, &was)
	if err := owner.Kill(within(t, patience)); err != nil {
		t.Fatal(err)
	}

	thief := startThief(t, c, stolen)
	await(t, func() (bool, string) {
		text, err := thief.Weft(within(t, patience), "status", "--json", "--socket", thief.Socket())
		return err == nil && strings.Contains(text, "its key was replaced"), fmt.Sprintf("the thief is told nothing: %v, %s", err, text)
	})
	if s := status(t, thief).Node; s.ID != was.ID {
		t.Fatalf("the thief is %s and not %s", s.ID, was.ID)
	}
	keeps := func(state string) {
		t.Helper()
		await(t, func() (bool, string) {
			peers := status(t, a).Peers
			return keepsHeir(peers, was, heir, state), fmt.Sprintf("wanted: the heir %s is %s, the thief refused: %+v", heir[:16], state, peers)
		})
	}
	keeps(api.StateDown)
	if err := owner.Up(); err != nil {
		t.Fatal(err)
	}
	keeps(api.StateUp)
	awaitPing(t, a, was.Addresses[0])
}

// keepsHeir reports whether a node's peers are the heir of another one, in that state and with all subnets, and who has its old key, refused
// and with none.
func keepsHeir(peers []api.Peer, was api.Node, heir, state string) bool {
	return len(peers) == 2 && !slices.ContainsFunc(peers, func(p api.Peer) bool {
		switch p.ID {
		case heir:
			return p.State != state || !slices.Equal(p.Subnets, was.Subnets)
		case was.ID:
			return p.State != api.StateRefused || len(p.Subnets) > 0
		}
		return true
	})
}

// startThief starts a copy of vm-2's state directory on a host of its own.
func startThief(t *testing.T, c *cluster.Cluster, state string) *cluster.Node {
	t.Helper()
	thief, err := c.Add(within(t, patience), "--name", "vm-2")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(thief.StateDir()); err != nil {
		t.Fatal(err)
	}
	copyState(t, state, thief.StateDir())
	if err := thief.Up(); err != nil {
		t.Fatal(err)
	}
	return thief
}

// copyState copies a state directory with the modes of its files.
func copyState(t *testing.T, from, to string) {
	t.Helper()
	if out, err := exec.CommandContext(within(t, patience), "cp", "-a", from, to).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}
