package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/cluster"
	"github.com/weftnet/weft/lab/labtest"
	"github.com/weftnet/weft/node/api"
)

// natNode adds a node behind a NAT of its own.
func natNode(t *testing.T, c *cluster.Cluster, name string, o lab.NATOptions) (*cluster.Node, *lab.NAT) {
	t.Helper()
	nat, err := c.NAT(name+"-nat", o)
	if err != nil {
		t.Fatal(err)
	}
	host, err := nat.Behind(name)
	if err != nil {
		t.Fatal(err)
	}
	n, err := c.Adopt(within(t, patience), host)
	if err != nil {
		t.Fatal(err)
	}
	return n, nat
}

// A TCP stream each way goes on while the NAT forgets its mappings and while it gets another address.
func TestANodeBehindANATJoinsAndStreamsSurviveItsRebinds(t *testing.T) {
	for name, kind := range map[string]lab.NATKind{"endpoint-independent": lab.NATEndpointIndependent, "symmetric": lab.NATSymmetric} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, 1)
			_, nat := natNode(t, c, "home", lab.NATOptions{Kind: kind})
			startAll(t, c)
			all := pods(t, c)
			pingAll(t, all)
			tcp := []*labtest.Sequence{
				labtest.StartSequence(t, all[0], all[1], all[1].Addr4()), labtest.StartSequence(t, all[1], all[0], all[0].Addr4()),
			}
			for what, change := range map[string]func() error{"rebind": nat.Rebind, "another address": func() error { return nat.ChangeAddress() }} {
				addrs := status(t, c.Nodes[1]).Node.Addresses
				flow := startStream(t, c.Nodes[0], c.Nodes[1], addrs[0])
				began := time.Now()
				if err := change(); err != nil {
					t.Fatal(err)
				}
				flow.flows(t)
				t.Logf("%s: gap of %v", what, flow.gap(began).Round(time.Millisecond))
			}
			for _, s := range tcp {
				if err := s.End(within(t, patience)); err != nil {
					t.Errorf("TCP did not survive: %v", err)
				}
			}
			p := peerOf(t, c.Nodes[0], "home")
			t.Logf("%+v", p)
		})
	}
}

// Two nodes that cannot call each other at all, by UDP or TCP, hear of each other from a third, and have it join their gossip
// streams: neither takes the other for dead. The third calls them, or, where they are behind NATs, has them call it.
func TestTwoThatCannotCallEachOtherStayMembersThroughAThird(t *testing.T) {
	for name, make := range map[string]func(*testing.T) *cluster.Cluster{"cut": cutPair, "behind NATs": natPair} {
		t.Run(name, func(t *testing.T) {
			c := make(t)
			if err := c.UpAll(); err != nil {
				t.Fatal(err)
			}
			hub, left, right := c.Nodes[0], c.Nodes[1], c.Nodes[2]
			for n, peer := range map[*cluster.Node]*cluster.Node{left: right, right: left} {
				awaitMember(t, n, peer.Name())
				awaitLog(t, n, "node.stream.through peer="+peer.Name()+" via="+hub.Name())
			}
			await(t, func() (bool, string) {
				s := status(t, hub).Node.Streams
				return s.Spliced >= 4, fmt.Sprintf("%+v", s)
			})
			for n, peer := range map[*cluster.Node]*cluster.Node{left: right, right: left} {
				if p := peerOf(t, n, peer.Name()); !p.Member {
					t.Errorf("%s is no member for %s", peer.Name(), n.Name())
				}
				if text, _ := n.Daemon().Stderr(); strings.Contains(text, "mesh.member.dead") {
					t.Errorf("%s took a member for dead", n.Name())
				}
			}
		})
	}
}

func cutPair(t *testing.T) *cluster.Cluster {
	c := newCluster(t, 3)
	if err := c.Cut(c.Nodes[1].Host, c.Nodes[2].Host); err != nil {
		t.Fatal(err)
	}
	return c
}

func natPair(t *testing.T) *cluster.Cluster {
	c := newCluster(t, 1)
	natNode(t, c, "left", lab.NATOptions{Kind: lab.NATSymmetric})
	natNode(t, c, "right", lab.NATOptions{Kind: lab.NATSymmetric})
	return c
}

func awaitMember(t *testing.T, n *cluster.Node, peer string) {
	t.Helper()
	err := n.AwaitStatus(within(t, patience), func(s *api.Status) (bool, string) {
		for _, p := range s.Peers {
			if p.Name == peer {
				return p.Member, peer + " is no member: " + p.Reason
			}
		}
		return false, peer + " is not known"
	})
	if err != nil {
		t.Fatal(err)
	}
}

func awaitLog(t *testing.T, n *cluster.Node, line string) {
	t.Helper()
	await(t, func() (bool, string) {
		text, err := n.Daemon().Stderr()
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(text, line), fmt.Sprintf("%s does not log %q", n.Name(), line)
	})
}
