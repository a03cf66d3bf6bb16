package main

import (
	"fmt"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/cluster"
	"github.com/weftnet/weft/node/api"
)

// saturated is how long everything is busy: longer than a path without answers stays up (2 s) and a silent member of three is suspected
// before it counts as dead (4 s).
const saturated = 6 * time.Second

// All lanes carry as much as they can, of TCP and of UDP, both ways, and every CPU is wanted by somebody else: probes and gossip come
// through all the same.
func TestProbesAndGossipComeThroughWhereLanesAndCPUsAreSaturated(t *testing.T) {
	if _, err := exec.LookPath("iperf3"); err != nil {
		t.Skip("iperf3 is not installed: run scripts/setup.sh")
	}
	c := newCluster(t, 3)
	startAll(t, c)
	all := pods(t, c)
	pingAll(t, all)
	var marks []logMark
	for _, n := range c.Nodes {
		marks = append(marks, markLog(t, n))
	}
	before := peerOf(t, c.Nodes[0], "vm-2")

	occupy(t, c.Nodes[2])
	bulk := []*lab.Process{
		transfer(t, all[0], all[1], 5201, "--bidir", "-P", "4"),
		transfer(t, all[1], all[2], 5202, "-P", "4"),
		transfer(t, all[2], all[0], 5203, "-u", "-b", "0", "-P", "2"),
	}
	answered := watchProbes(t, c)
	for _, p := range bulk {
		if err := p.Wait(within(t, patience)); err != nil {
			t.Errorf("bulk traffic: %v", err)
		}
	}

	for pair, n := range answered {
		if n == 0 {
			t.Errorf("%s: no probe was answered meanwhile", pair)
		}
	}
	for _, m := range marks {
		said := m.lines(t)
		for _, event := range []string{"router.path.down", "mesh.member.dead"} {
			if n := count(said, event); n != 0 {
				t.Errorf("%s says %s %d times:\n%s", m.node.Name(), event, n, strings.Join(said, "\n"))
			}
		}
		for _, p := range status(t, m.node).Peers {
			t.Logf("%s to %s: round trip %v, loss %s, %s", m.node.Name(), p.Name, time.Duration(p.RTT)*time.Microsecond, shareLost(&p), p.Path)
		}
	}
	after := peerOf(t, c.Nodes[0], "vm-2")
	if after.Sent.Bytes == before.Sent.Bytes || after.Received.Bytes == before.Received.Bytes {
		t.Error("the lanes had nothing to carry")
	}
	t.Logf("vm-1 and vm-2: %d MB there, %d MB back", (after.Sent.Bytes-before.Sent.Bytes)>>20, (after.Received.Bytes-before.Received.Bytes)>>20)
}

// occupy has each CPU wanted twice, until the test ends.
func occupy(t *testing.T, on *cluster.Node) {
	t.Helper()
	for range 2 * runtime.NumCPU() {
		p, err := on.Start("sh", "-c", "while :; do :; done")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Kill)
	}
}

// transfer starts iperf3 between two pods, for the time of saturated; flags are further ones of the client.
func transfer(t *testing.T, from, to *lab.Pod, port int, flags ...string) *lab.Process {
	t.Helper()
	addr, at := to.Addr4().String(), strconv.Itoa(port)
	server, err := to.Start("iperf3", "-s", "-1", "--forceflush", "-B", addr, "-p", at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Kill)
	await(t, func() (bool, string) {
		said, err := server.Stdout()
		return err == nil && strings.Contains(said, "listening"), fmt.Sprintf("iperf3 does not listen: %q, %v", said, err)
	})
	client, err := from.Start(append([]string{"iperf3", "-c", addr, "-p", at, "-t", strconv.Itoa(int(saturated.Seconds()))}, flags...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Kill)
	return client
}

// watchProbes looks at all peers for the time of saturated, and counts for each pair how often the round trip was another one: each answer
// to a probe goes into it.
func watchProbes(t *testing.T, c *cluster.Cluster) map[string]int {
	t.Helper()
	answered, last := map[string]int{}, map[string]int64{}
	for end := time.Now().Add(saturated); time.Now().Before(end); {
		for _, n := range c.Nodes {
			for _, p := range status(t, n).Peers {
				pair := n.Name() + " to " + p.Name
				if p.State != api.StateUp {
					t.Errorf("%s is %s: %s", pair, p.State, p.Reason)
				}
				if before, seen := last[pair]; !seen {
					answered[pair] = 0
				} else if p.RTT != before {
					answered[pair]++
				}
				last[pair] = p.RTT
			}
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-interrupted.Done():
			t.Fatal("interrupted")
		}
	}
	return answered
}

// shareLost is how much of the probes of a peer's direct link was lost, in words.
func shareLost(p *api.Peer) string {
	if p.Loss == nil {
		return "not known"
	}
	return fmt.Sprintf("%.1f %%", 100**p.Loss)
}
