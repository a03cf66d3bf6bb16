package main

import (
	"fmt"
	"net/netip"
	"slices"
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

// A TCP stream each way, and datagrams that only the public node sends, go on while the NAT forgets its mappings and while it gets
// another address: the node behind it is heard from its new endpoint by the next frame that it sends, its probes at the latest.
func TestANodeBehindANATJoinsAndStreamsSurviveItsRebinds(t *testing.T) {
	for name, c := range map[string]struct {
		kind  lab.NATKind
		flags []string
	}{
		"endpoint-independent": {lab.NATEndpointIndependent, nil},
		"symmetric, in clear":  {lab.NATSymmetric, []string{"--encryption", "off"}},
	} {
		t.Run(name, func(t *testing.T) {
			c, kind := newCluster(t, 1, c.flags...), c.kind
			home, nat := natNode(t, c, "home", lab.NATOptions{Kind: kind})
			startAll(t, c)
			all := pods(t, c)
			pingAll(t, all)
			tcp := []*labtest.Sequence{
				labtest.StartSequence(t, all[0], all[1], all[1].Addr4()), labtest.StartSequence(t, all[1], all[0], all[0].Addr4()),
			}
			oneWay := streamPaced(t, all[0], all[1])
			for _, change := range []func() error{nat.Rebind, func() error { return nat.ChangeAddress() }} {
				was := peerOf(t, c.Nodes[0], home.Name()).Endpoint
				mark := oneWay.Mark()
				if err := change(); err != nil {
					t.Fatal(err)
				}
				await(t, func() (bool, string) {
					p := peerOf(t, c.Nodes[0], home.Name())
					return p.Endpoint != was && p.State == api.StateUp, "still at " + p.Endpoint
				})
				oneWay.Await(t, oneWay.Mark(), patience)
				longest, lost := oneWay.Between(mark, oneWay.Mark())
				t.Logf("gap of %v, %d datagrams lost", longest.Round(time.Millisecond), lost)
			}
			for _, s := range tcp {
				if err := s.End(within(t, patience)); err != nil {
					t.Errorf("TCP did not survive: %v", err)
				}
			}
		})
	}
}

// With no traffic at all the node behind the NAT keeps its mapping, or shows its new one, by itself.
func TestAnIdleNodeBehindANATIsReachedAfterARebind(t *testing.T) {
	c := newCluster(t, 1)
	_, nat := natNode(t, c, "home", lab.NATOptions{})
	startAll(t, c)
	all := pods(t, c)
	pingAll(t, all)
	if err := nat.Rebind(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	awaitPing(t, all[0], all[1].Addr4())
	t.Logf("reached after %v", time.Since(began).Round(time.Millisecond))
}

// Two nodes that cannot call each other at all, by UDP or TCP, hear of each other through a third, and neither takes the other for
// dead; also behind NATs, where the third cannot call them either. That their gossip streams are joined shows in minutes of memberlist's
// time: see TestGossipStreamsOfTwoThatCannotCallEachOtherAreJoinedUnlessTheThirdRefuses in node.
func TestTwoThatCannotCallEachOtherStayMembersThroughAThird(t *testing.T) {
	for name, make := range map[string]func(*testing.T) *cluster.Cluster{"cut": cutPair, "behind NATs": natPair} {
		t.Run(name, func(t *testing.T) {
			c := make(t)
			if err := c.UpAll(); err != nil {
				t.Fatal(err)
			}
			left, right := c.Nodes[1], c.Nodes[2]
			for n, peer := range map[*cluster.Node]*cluster.Node{left: right, right: left} {
				awaitMember(t, n, peer.Name())
				awaitPeer(t, n, peer.Name(), api.StateUp)
			}
			pingAll(t, pods(t, c)[1:])
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

// A cloud gives a host a public address that the host does not know. Once two peers see it there it claims that.
func TestANodeWithAPublicAddressThatItDoesNotKnowClaimsItOncePeersAgree(t *testing.T) {
	c := newCluster(t, 2)
	cloud, nat := natNode(t, c, "cloud", lab.NATOptions{Kind: lab.NATOneToOne})
	startAll(t, c)
	at := netip.AddrPortFrom(nat.Public(cloud.Host), 9338)
	err := cloud.AwaitStatus(within(t, patience), func(s *api.Status) (bool, string) {
		claimed := slices.ContainsFunc(s.Node.Advertised, func(a api.Advertised) bool { return a.Endpoint == at })
		return claimed && slices.Equal(s.Node.Translated, []api.Seen{{Endpoint: at, Peers: 2}}),
			fmt.Sprintf("seen %v, advertised %v", s.Node.Translated, s.Node.Advertised)
	})
	if err != nil {
		t.Fatal(err)
	}
	awaitLog(t, cloud, "node.address.translated seen="+at.String())
	text, err := cloud.Weft(within(t, patience), "status", "--socket", cloud.Socket())
	if want := at.String() + " by 2 peers: translated on the way (NAT)"; err != nil || !strings.Contains(text, want) {
		t.Errorf("weft status lacks %q: %v\n%s", want, err, text)
	}
}

// Two nodes behind NATs that map a socket alike for all destinations call each other at the same time, with a third one's help, and so
// open the way; with NATs that do not, they stay relayed, and say why.
func TestTwoBehindNATsPunchThroughOrStayRelayedAndSayWhy(t *testing.T) {
	for name, kind := range map[string]lab.NATKind{"endpoint-independent": lab.NATEndpointIndependent, "symmetric": lab.NATSymmetric} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, 1)
			left, _ := natNode(t, c, "left", lab.NATOptions{Kind: kind})
			right, _ := natNode(t, c, "right", lab.NATOptions{Kind: kind})
			startAll(t, c)
			for n, peer := range map[*cluster.Node]string{left: "right", right: "left"} {
				err := n.AwaitStatus(within(t, patience), func(s *api.Status) (bool, string) {
					i := slices.IndexFunc(s.Peers, func(p api.Peer) bool { return p.Name == peer })
					if i < 0 {
						return false, peer + " is not known"
					}
					p := s.Peers[i]
					text := fmt.Sprintf("%s is %s by %s via %s at %s: %s; %s", peer, p.State, p.Path, p.Via, p.Endpoint, p.Why, p.NoDirect)
					if kind == lab.NATSymmetric {
						return p.Path == "relay" && strings.Contains(p.NoDirect, "both are behind NAT"), text
					}
					return p.Path == "udp" && p.State == api.StateUp, text
				})
				if err != nil {
					t.Fatal(err)
				}
				t.Logf("%+v", peerOf(t, n, peer))
			}
			pingAll(t, pods(t, c))
		})
	}
}
