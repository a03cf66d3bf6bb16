package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/cluster"
	"github.com/weftnet/weft/lab/impair"
	"github.com/weftnet/weft/lab/labtest"
	"github.com/weftnet/weft/node/api"
)

// rekeyed is what streams between two pods went through while the keys of their hosts were replaced.
type rekeyed struct {
	rekeys uint64 // the fewer of both ends
	lost   int
	fought bool // somebody waited for a processor most of the time
}

// Keys are replaced every 5 s while TCP and 1000 datagrams a second flow both ways; beside it the same goes on with a third host over
// a network that loses and reorders, where nothing but that network may lose a packet.
func TestRekeysUnderTrafficLoseNoPacket(t *testing.T) {
	c := newCluster(t, 3, "--rekey", "5s")
	relay, err := impair.Between(c.Lab, c.Nodes[0].Host, c.Nodes[2].Host, impair.Options{Loss: 0.05, Reorder: 0.05, Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = relay.Close() })
	startAll(t, c)
	all := pods(t, c)
	pingAll(t, all[:2])
	bad := []*labtest.Paced{streamPaced(t, all[0], all[2]), streamPaced(t, all[2], all[0])}
	tcp := []*labtest.Sequence{
		labtest.StartSequence(t, all[0], all[1], all[1].Addr4()), labtest.StartSequence(t, all[1], all[0], all[0].Addr6()),
	}
	good := []*labtest.Paced{streamPaced(t, all[0], all[1]), streamPaced(t, all[1], all[0])}
	for i := 0; ; i++ {
		r := awaitRekeys(t, c.Nodes[0], c.Nodes[1], good, 2)
		t.Logf("%d rekeys, %d packets lost; processors fought for: %v", r.rekeys, r.lost, r.fought)
		if r.lost == 0 {
			break
		}
		if !r.fought || i == attempts { // a machine that has no time for the daemons lets queues overflow
			t.Fatalf("%d packets are lost", r.lost)
		}
	}
	for _, s := range tcp {
		if err := s.End(within(t, patience)); err != nil {
			t.Errorf("TCP did not survive: %v", err)
		}
	}
	for _, s := range bad {
		if _, lost := s.Between(0, s.Mark()); lost == 0 {
			t.Error("the bad network lost nothing: this shows nothing")
		}
	}
	checkRekeyed(t, c)
}

func streamPaced(t *testing.T, from, to *lab.Pod) *labtest.Paced {
	t.Helper()
	p := labtest.StartPaced(t, from, to, to.Addr4(), canary)
	p.Await(t, settled, patience)
	return p
}

// awaitRekeys waits until each end of two hosts has replaced its keys count times more.
func awaitRekeys(t *testing.T, a, b *cluster.Node, streams []*labtest.Paced, count uint64) (r rekeyed) {
	t.Helper()
	began, stalled := time.Now(), waited(t)
	marks := []uint64{streams[0].Mark(), streams[1].Mark()}
	before := min(rekeysOf(t, a, b), rekeysOf(t, b, a))
	await(t, func() (bool, string) {
		r.rekeys = min(rekeysOf(t, a, b), rekeysOf(t, b, a)) - before
		return r.rekeys >= count, fmt.Sprintf("%d rekeys", r.rekeys)
	})
	for i, s := range streams {
		end := s.Mark()
		s.Await(t, end+settled, patience)
		_, lost := s.Between(marks[i], end)
		r.lost += lost
	}
	r.fought = waited(t)-stalled > time.Since(began)*3/4
	return r
}

func rekeysOf(t *testing.T, n, peer *cluster.Node) uint64 {
	t.Helper()
	return peerOf(t, n, peer.Name()).Rekeys
}

// peerOf is what a node says of a peer.
func peerOf(t *testing.T, n *cluster.Node, name string) api.Peer {
	t.Helper()
	for _, p := range status(t, n).Peers {
		if p.Name == name {
			return p
		}
	}
	t.Fatalf("%s does not know %s", n.Name(), name)
	return api.Peer{}
}

// checkRekeyed looks for drops that only frames under wrong keys make.
func checkRekeyed(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	if n := rekeysOf(t, c.Nodes[0], c.Nodes[2]); n == 0 {
		t.Error("no keys were replaced over the bad network")
	}
	for _, n := range c.Nodes {
		drops := status(t, n).Node.Drops
		for _, reason := range []string{"auth-failed", "replayed", "unknown-index", "key-exhausted", "peer-down", "queue-full", "queue-stale"} {
			if drops[reason] != 0 {
				t.Errorf("%s dropped %d packets as %s", n.Name(), drops[reason], reason)
			}
		}
	}
}

func TestAForcedCipherIsUsedAndTwoThatDifferAreNamedOnBothSides(t *testing.T) {
	c := newCluster(t, 3)
	forced := []string{"aes-256-gcm", "chacha20-poly1305", "auto"}
	seeds := fmt.Sprintf("%s,%s", c.Nodes[0].Addr4(), c.Nodes[1].Addr4()) // without the third they would not hear of each other's claims
	for i, n := range c.Nodes {
		if err := n.Up("--cipher", forced[i], "--join", seeds); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range c.Nodes[:2] {
		awaitPeer(t, c.Nodes[2], n.Name(), api.StateUp)
	}
	both := "encryption on, AES-256-GCM and ChaCha20-Poly1305\n"
	if text, err := c.Nodes[2].Weft(within(t, patience), "status", "--socket", c.Nodes[2].Socket()); err != nil || !strings.Contains(text, both) {
		t.Errorf("status of the node that leaves it to the others: %v\n%s", err, text)
	}
	for i, n := range c.Nodes[:2] {
		if got := peerOf(t, c.Nodes[2], n.Name()).Cipher; !strings.EqualFold(got, forced[i]) {
			t.Errorf("the node that leaves it to %s has %s with it", n.Name(), got)
		}
		await(t, func() (bool, string) {
			text, err := json.Marshal(status(t, n))
			if err != nil {
				t.Fatal(err)
			}
			named := "cipher differs: ours is AES-256-GCM, theirs is ChaCha20-Poly1305"
			if i == 1 {
				named = "cipher differs: ours is ChaCha20-Poly1305, theirs is AES-256-GCM"
			}
			return strings.Contains(string(text), named), string(text)
		})
	}
}
