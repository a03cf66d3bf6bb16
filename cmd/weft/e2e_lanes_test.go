package main

import (
	"strings"
	"testing"

	"github.com/weftnet/weft/lab/cluster"
)

// restart stops the daemon and starts it with further flags.
func restart(t *testing.T, c *cluster.Cluster, n *cluster.Node, flags ...string) {
	t.Helper()
	if err := n.Stop(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	if err := n.Up(flags...); err != nil {
		t.Fatal(err)
	}
	awaitAll(t, c)
}

func TestTheNumberOfLanesMayChangeWithEveryStart(t *testing.T) {
	c := newCluster(t, 2, "--driver", "super", "--lanes", "3")
	startAll(t, c)
	n, list := c.Nodes[0], pods(t, c)
	pingAll(t, list)
	for _, run := range []struct {
		flags []string
		lanes int
	}{
		{[]string{"--lanes", "1"}, 1},
		{[]string{"--lanes", "8"}, 8},
		{[]string{"--lanes", "auto", "--driver", "batch"}, 1},
		{nil, 3},
	} {
		t.Run(strings.Join(run.flags, " "), func(t *testing.T) {
			restart(t, c, n, run.flags...)
			pingAll(t, list)
			if s := status(t, n).Node; s.FastPath.Lanes != run.lanes || len(s.Degraded) != 0 {
				t.Errorf("%d lanes, want %d; degraded %+v", s.FastPath.Lanes, run.lanes, s.Degraded)
			}
		})
	}
}

func TestADeletedDeviceOfSeveralLanesIsOpenedAgainWithAsManyQueues(t *testing.T) {
	c := newCluster(t, 2, "--driver", "super", "--lanes", "2")
	startAll(t, c)
	n, list := c.Nodes[0], pods(t, c)
	pingAll(t, list)
	if _, err := n.Run(within(t, patience), "ip", "link", "del", "weft0"); err != nil {
		t.Fatal(err)
	}
	pingAll(t, list)
	await(t, func() (bool, string) {
		text, err := n.Run(within(t, patience), "ip", "-d", "link", "show", "weft0")
		return err == nil && strings.Contains(text, "multi_queue") && strings.Contains(text, "numqueues 2"), text
	})
}
