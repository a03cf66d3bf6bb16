package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/lab/cluster"
	"github.com/weftnet/weft/lab/labtest"
	"github.com/weftnet/weft/node/api"
)

// awaitPath waits until a node reaches a peer in that way, and returns what it says of it then.
func awaitPath(t *testing.T, n *cluster.Node, peer, what string, is func(*api.Peer) bool) (found api.Peer) {
	t.Helper()
	await(t, func() (bool, string) {
		found = peerOf(t, n, peer)
		return found.State == api.StateUp && is(&found), fmt.Sprintf("%s reaches %s, wanted: %s: %+v", n.Name(), peer, what, found)
	})
	return found
}

// 1000 datagrams a second go on while the way between two hosts is cut, the relay that is taken is killed, and the way is restored.
func TestPacketsFindAnotherWayWhenThePathIsCutAndWhenTheRelayIsKilled(t *testing.T) {
	c := newCluster(t, 4)
	startAll(t, c)
	a, b := c.Nodes[0], c.Nodes[1]
	all := pods(t, c)
	for n, peer := range map[*cluster.Node]string{a: "vm-2", b: "vm-1"} {
		awaitPath(t, n, peer, "straight, and a relay stands ready", func(p *api.Peer) bool { return p.Path == api.PathUDP && len(p.Standby) == 1 })
	}
	stream := streamPaced(t, all[0], all[1])
	since := peerOf(t, a, "vm-2").Since

	var p, q api.Peer
	lost := gapDuring(t, stream, 3*time.Second, func() {
		if err := c.Cut(a.Host, b.Host); err != nil {
			t.Fatal(err)
		}
		p = awaitPath(t, a, "vm-2", "through a relay", func(p *api.Peer) bool { return p.Path == api.PathRelay && len(p.Standby) == 1 })
	})
	t.Logf("cut: nothing arrived for %v; then via %s: %s", lost, p.Via, p.Why)
	pingAll(t, all[:2])
	if text, err := a.Weft(within(t, patience), "peers", "--socket", a.Socket()); err != nil || !strings.Contains(text, "relay via "+p.Via) {
		t.Errorf("weft peers: %v\n%s", err, text)
	}
	relay := c.Nodes[2]
	if p.Via == c.Nodes[3].Name() {
		relay = c.Nodes[3]
	}

	lost = gapDuring(t, stream, 3*time.Second, func() {
		if err := relay.Kill(within(t, patience)); err != nil {
			t.Fatal(err)
		}
		q = awaitPath(t, a, "vm-2", "through the other relay", func(q *api.Peer) bool { return q.Path == api.PathRelay && q.Via != p.Via })
	})
	t.Logf("%s killed: nothing arrived for %v; then via %s", p.Via, lost, q.Via)

	began := time.Now()
	lost = gapDuring(t, stream, time.Second, func() {
		if err := c.Heal(a.Host, b.Host); err != nil {
			t.Fatal(err)
		}
		for _, n := range []*cluster.Node{a, b} {
			awaitPath(t, n, map[*cluster.Node]string{a: "vm-2", b: "vm-1"}[n], "straight", func(p *api.Peer) bool { return p.Path == api.PathUDP })
		}
	})
	t.Logf("restored: straight after %v; nothing arrived for %v", time.Since(began), lost)
	if now := peerOf(t, a, "vm-2").Since; !now.Equal(since) {
		t.Errorf("vm-2 was down: up since %v, and before since %v", now, since)
	}
}

// gapDuring does something to the way that a stream takes, waits until datagrams arrive again, and returns the longest time without. It must
// stay below limit, unless the machine had no time for the daemons.
func gapDuring(t *testing.T, stream *labtest.Paced, limit time.Duration, do func()) time.Duration {
	t.Helper()
	began, stalled, mark := time.Now(), waited(t), stream.Mark()
	do()
	stream.Await(t, stream.Mark()+settled, patience)
	end := stream.Mark()
	stream.Await(t, end, patience)
	gap, _ := stream.Between(mark-1, end)
	if fought := waited(t)-stalled > time.Since(began)*3/4; gap > limit && !fought {
		t.Errorf("nothing arrived for %v, more than %v", gap, limit)
	}
	return gap
}
