package main

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/weftnet/weft/lab/attack"
	"github.com/weftnet/weft/lab/cluster"
	"github.com/weftnet/weft/node/api"
)

// plaintext is how many bytes of known plaintext travel in each of TCP and UDP.
const plaintext = 5 << 20

// All that hosts put onto the underlay is captured while known plaintext travels through the overlay: before and at the start, over
// kill -9, a restart, a rekey and a rotation of the secret. It is nowhere in it.
func TestNoPlaintextIsOnTheUnderlayWhateverHappensToTheDaemons(t *testing.T) {
	t.Parallel()
	c := newClusterOf(t, cluster.Options{Hosts: 2, Prepare: withDefaultRoute, Flags: []string{"--rekey", "5s"}})
	o := overhear(t, c)
	o.await(t, 1)
	o.kill(t, c.Nodes[0])
	o.stop(t, c.Nodes[1])
	for range 3 { // steps of a rotation
		if _, err := c.Nodes[0].Weft(within(t, patience), "secret", "rotate", "--socket", c.Nodes[0].Socket()); err != nil {
			t.Fatal(err)
		}
	}
	o.awaitRekey(t)
	o.await(t, plaintext)
	heard := o.end(t)
	if _, size := heard.Count(); size < 2*plaintext {
		t.Fatalf("only %d bytes are captured; the test proves nothing", size)
	}
	if n := heard.Blocks(); n != 0 {
		t.Errorf("%d blocks of plaintext are in clear on the underlay", n)
	}
}

// The same search must find the text where it is allowed to be in clear: else the test above could not fail.
func TestPlaintextIsFoundOnTheUnderlayWithoutEncryption(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2, "--encryption", "off")
	o := overhear(t, c)
	o.await(t, plaintext/10)
	heard := o.end(t)
	tcp, udp := o.Arrived()
	if n, want := heard.Blocks(), int(tcp+udp)/16*9/10; n < want { // a few are cut in two by the segments' ends
		t.Errorf("%d blocks of plaintext are found, and more than %d have arrived", n, want)
	}
}

// overheard is plaintext between the pods of two nodes, and all that the underlay carries.
type overheard struct {
	*attack.Chatter
	c     *cluster.Cluster
	heard *attack.Capture
}

// overhear starts the daemons of a cluster: once to learn the subnets, and once more while plaintext is sent already.
func overhear(t *testing.T, c *cluster.Cluster) *overheard {
	t.Helper()
	startAll(t, c)
	all := pods(t, c)
	pingAll(t, all)
	for _, n := range c.Nodes {
		if err := n.Stop(within(t, patience)); err != nil {
			t.Fatal(err)
		}
	}
	o := &overheard{c: c}
	var err error
	if o.heard, err = attack.Listen(c.Lab); err != nil {
		t.Fatal(err)
	}
	to := []netip.Addr{all[1].Addr4(), all[1].Addr6()}
	if o.Chatter, err = attack.Chat(all[0], all[1], to...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.End() })
	startAll(t, c)
	if err := o.TCP(all[0], all[1], to...); err != nil {
		t.Fatal(err)
	}
	return o
}

// await waits until that much more has arrived over TCP and UDP each.
func (o *overheard) await(t *testing.T, bytes int64) {
	t.Helper()
	beforeTCP, beforeUDP := o.Arrived()
	await(t, func() (bool, string) {
		tcp, udp := o.Arrived()
		return tcp-beforeTCP >= bytes && udp-beforeUDP >= bytes, fmt.Sprintf("%d and %d bytes have arrived", tcp-beforeTCP, udp-beforeUDP)
	})
}

// awaitRekey waits until the keys of a session have been replaced that did not end.
func (o *overheard) awaitRekey(t *testing.T) {
	t.Helper()
	before := status(t, o.c.Nodes[0]).Peers[0]
	await(t, func() (bool, string) {
		p := status(t, o.c.Nodes[0]).Peers[0]
		return p.State == api.StateUp && p.Since.Equal(before.Since) && p.Rekeys > before.Rekeys, fmt.Sprintf("%d rekeys", p.Rekeys)
	})
}

// kill ends a daemon, lets plaintext run against it, and starts it again.
func (o *overheard) kill(t *testing.T, n *cluster.Node) {
	t.Helper()
	if err := n.Kill(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	o.resume(t, n)
}

// stop does the same in order.
func (o *overheard) stop(t *testing.T, n *cluster.Node) {
	t.Helper()
	if err := n.Stop(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	o.resume(t, n)
}

func (o *overheard) resume(t *testing.T, n *cluster.Node) {
	t.Helper()
	tried := o.Tried()
	await(t, func() (bool, string) { return o.Tried() > tried+100, "nothing is sent" })
	if err := n.Up(); err != nil {
		t.Fatal(err)
	}
	awaitAll(t, o.c)
	o.await(t, 1)
}

// end ends both.
func (o *overheard) end(t *testing.T) *attack.Capture {
	t.Helper()
	if err := o.End(); err != nil {
		t.Error(err)
	}
	if err := o.heard.Stop(); err != nil {
		t.Fatal(err)
	}
	return o.heard
}
