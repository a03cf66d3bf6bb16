package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/weftnet/weft/lab/cluster"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/trust"
)

// awaitSuccessor waits until n reaches exactly one peer of that name, under an id, with those subnets.
func awaitSuccessor(t *testing.T, n *cluster.Node, name, id string, was *api.Node) {
	t.Helper()
	err := n.AwaitStatus(within(t, patience), func(s *api.Status) (bool, string) {
		var found []string
		for _, p := range s.Peers {
			if p.Name != name {
				continue
			}
			found = append(found, fmt.Sprintf("%s is %s with %v", p.ID[:16], p.State, p.Subnets))
			if p.ID != id || p.State != api.StateUp || !slices.Equal(p.Subnets, was.Subnets) {
				return false, fmt.Sprint(found)
			}
		}
		return len(found) == 1 && len(s.Node.Conflicts) == 0, fmt.Sprintf("%v, conflicts %v", found, s.Node.Conflicts)
	})
	if err != nil {
		t.Error(err)
	}
}

func TestANodeWithANewKeyHasItsSubnetAtOnceAndTheOldOneIsForgotten(t *testing.T) {
	c := newCluster(t, 3)
	startAll(t, c)
	n := c.Nodes[1]
	was := status(t, n).Node
	for name, end := range map[string]func() error{
		"stopped": func() error { return n.Stop(within(t, patience)) }, "killed": func() error { return n.Kill(within(t, patience)) },
	} {
		before := status(t, n).Node.ID
		key, err := os.ReadFile(filepath.Join(n.StateDir(), trust.IdentityFile))
		if err != nil {
			t.Fatal(err)
		}
		if out, err := n.Weft(within(t, patience), "key", "replace", "--config", n.Config()); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if now := status(t, n).Node.ID; now != before {
			t.Errorf("%s: the running node is another one before its restart", name)
		}
		if err := end(); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err := n.Up(); err != nil {
			t.Fatal(err)
		}
		if _, err := n.Addresses(within(t, patience)); err != nil {
			t.Fatal(err)
		}
		now := status(t, n).Node
		if now.ID == before || !slices.Equal(now.Subnets, was.Subnets) || now.KeySince.Before(was.KeySince) {
			t.Errorf("%s: node %s owns %v, want another one with %v", name, now.ID[:16], now.Subnets, was.Subnets)
		}
		awaitPing(t, c.Nodes[0], now.Addresses[0])
		t.Logf("%s: reached %v after its start", name, time.Since(began).Round(time.Millisecond))
		for _, other := range []*cluster.Node{c.Nodes[0], c.Nodes[2]} {
			awaitSuccessor(t, other, "vm-2", now.ID, &was)
		}
		if raw, err := os.ReadFile(filepath.Join(n.StateDir(), trust.IdentityFile)); err != nil || bytes.Equal(raw, key) {
			t.Errorf("%s: the old key is there, %v", name, err)
		}
	}
	if left, err := filepath.Glob(filepath.Join(n.StateDir(), "*damaged*")); err != nil || len(left) > 0 {
		t.Errorf("set aside as damaged: %v, %v", left, err)
	}
}
