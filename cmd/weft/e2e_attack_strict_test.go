package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/lab/attack"
	"github.com/weftnet/weft/lab/cluster"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/router"
	"github.com/weftnet/weft/trust"
)

// certified is a cluster whose first two nodes take certified nodes alone, and are certified. The third has the secret, and runs
// as its owner likes.
type certified struct {
	*siege
	authority *trust.Authority
}

func newCertified(t *testing.T) *certified {
	t.Helper()
	authority, err := trust.NewAuthority(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &certified{authority: authority}
	nodes := newCluster(t, 3)
	for i, n := range nodes.Nodes[:2] {
		subnets := fmt.Sprintf("10.244.%d.0/24,fd10:244:0:%d::/64", i+1, i+1) // none of which intrude asks for
		key := filepath.Join(n.Dir(), "authority")
		if err := os.WriteFile(key, authority.Public().PEM(), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := n.Up("--subnet", subnets, "--authority", key, "--certificate", c.certify(t, n)); err != nil {
			t.Fatal(err)
		}
	}
	awaitAll(t, nodes)
	c.siege = layTo(t, nodes)
	return c
}

// certify writes the certificate of a node, and returns its file.
func (c *certified) certify(t *testing.T, n *cluster.Node) string {
	t.Helper()
	if _, err := n.Weft(within(t, patience), "authority", "request", "--config", n.Config()); err != nil { // makes the key
		t.Fatal(err)
	}
	file := filepath.Join(n.Dir(), "certificate")
	if err := os.WriteFile(file, certificate(t, c.authority, identityOf(t, n), n.Name(), time.Now()).PEM(), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// certificate is one for all of the network, which began then and counts for 30 days.
func certificate(t *testing.T, by *trust.Authority, id *trust.Identity, name string, from time.Time) *trust.Certificate {
	t.Helper()
	signed, err := by.Sign(trust.Certificate{
		Fingerprint: id.Fingerprint(), Name: name, NotBefore: from, NotAfter: from.AddDate(0, 0, 30),
		Subnets: []netip.Prefix{netip.MustParsePrefix("10.244.0.0/16"), netip.MustParsePrefix("fd10:244::/48")},
	}, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// The cluster's secret opens nothing in strict mode: neither to a program that speaks the protocol nor to a weft.
func TestAStolenSecretOpensNothingInStrictMode(t *testing.T) {
	t.Parallel()
	c := newCertified(t)
	before := status(t, c.victim)
	id := newIdentity(t)
	t.Run("initiations", func(t *testing.T) { c.initiate(t, id) })
	t.Run("gossip without a session", func(t *testing.T) { c.gossip(t, id) })
	t.Run("gossip streams", func(t *testing.T) { c.streams(t, id) })
	t.Run("a weft without a certificate", c.intrude)
	c.stands(t, before)
}

// initiate sends valid initiations of a key that no authority vouches for.
func (c *certified) initiate(t *testing.T, id *trust.Identity) {
	frames := c.initiations(t, id, forgeries)
	c.repels(t, once(router.UnknownPeer, forgeries), func() { c.send(t, endpoint(c.Nodes[2]), frames...) })
}

// gossip sends gossip frames under the cluster's key.
func (c *certified) gossip(t *testing.T, id *trust.Identity) {
	frames := hearsay(t, id, stolenSecret(t, c.victim))
	c.repels(t, once(router.GossipBarred, len(frames)), func() { c.send(t, endpoint(c.Nodes[2]), frames...) })
}

// hearsay are gossip frames of a node without a session: messages of no known type.
func hearsay(t *testing.T, id *trust.Identity, secret trust.Secret) (frames [][]byte) {
	t.Helper()
	local := &encap.Local{Identity: id, Ring: trust.NewRing(secret.Derive())}
	sealer := encap.NewGossipSealer(local, trust.BootNonce{1}, encap.Stamps(1<<62))
	for range forgeries {
		f := sealer.Seal(nil, []byte{8, 255}, time.Now())
		if f == nil {
			t.Fatal("a gossip frame cannot be made")
		}
		frames = append(frames, f)
	}
	return frames
}

// insideDialer dials from a host.
type insideDialer struct{ attack.Place }

// DialContext implements encap.Dialer.
func (d insideDialer) DialContext(ctx context.Context, network, address string) (conn net.Conn, err error) {
	err = d.Do(func() error {
		conn, err = (&net.Dialer{}).DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

// streams is how a victim counts the streams that it accepted, and those that it did not.
func streams(t *testing.T, n *cluster.Node) (taken, turnedAway uint64) {
	t.Helper()
	s := status(t, n).Node.Streams
	return s.Accepted, s.Refused + s.Uncertified + s.Failed
}

// dialed is how many streams an attack opens: fewer than one source may have at a time.
const dialed = 5

// streams opens gossip streams with the cluster's secret, and every certificate that a thief may have.
func (c *certified) streams(t *testing.T, id *trust.Identity) {
	other, err := trust.NewAuthority(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	forged := slices.Clone(certificate(t, c.authority, id, thief, time.Now()).Raw())
	forged[0] ^= 1
	unsigned, err := trust.ParseCertificate(forged)
	if err != nil {
		t.Fatal(err)
	}
	for name, shown := range map[string]*trust.Certificate{
		"without a certificate":     nil,
		"of another authority":      certificate(t, other, id, thief, time.Now()),
		"with a damaged signature":  unsigned,
		"that has expired":          certificate(t, c.authority, id, thief, time.Now().AddDate(0, 0, -31)),
		"that does not count yet":   certificate(t, c.authority, id, thief, time.Now().AddDate(0, 0, 1)),
		"of another node":           certificate(t, c.authority, identityOf(t, c.Nodes[1]), thief, time.Now()),
		"of a node of another name": certificate(t, c.authority, id, c.Nodes[1].Name(), time.Now()),
	} {
		t.Run(name, func(t *testing.T) { c.dialStreams(t, c.stream(t, c.Nodes[2], id, stolenSecret(t, c.victim), shown)) })
	}
	good := c.stream(t, c.Nodes[2], id, stolenSecret(t, c.victim), certificate(t, c.authority, id, thief, time.Now()))
	conn, err := good.Dial(within(t, patience), endpoint(c.victim))
	if err != nil {
		t.Fatalf("a good certificate is refused: the others may be for another reason: %v", err)
	}
	conn.Close()
}

// thief is the name of a node that has the secret.
const thief = "thief"

// stream is what opens gossip streams from a place.
func (s *siege) stream(t *testing.T, from attack.Place, id *trust.Identity, secret trust.Secret, shown *trust.Certificate) *encap.Streams {
	t.Helper()
	admission := trust.NewAdmission(nil)
	admission.SetOwn(shown)
	return encap.NewStreams(encap.StreamsConfig{
		Local: &encap.Local{
			Identity: id, Ring: trust.NewRing(secret.Derive()), Name: thief, Settings: memberSettings(status(t, s.victim).Node.Network),
		},
		Boot: trust.BootNonce{1}, Started: time.Now(), Port: 9338, Dialer: insideDialer{from}, Admission: admission,
	})
}

// dialStreams opens gossip streams to the victim, each of which it turns away, and counts so.
func (s *siege) dialStreams(t *testing.T, dialer *encap.Streams) {
	t.Helper()
	taken, turnedAway := streams(t, s.victim)
	for range dialed {
		if conn, err := dialer.Dial(within(t, patience), endpoint(s.victim)); err == nil {
			t.Error("a stream is accepted")
			conn.Close()
		}
	}
	await(t, func() (bool, string) {
		_, n := streams(t, s.victim)
		return n-turnedAway >= dialed, fmt.Sprintf("%d of %d streams are counted as turned away", n-turnedAway, dialed)
	})
	if now, n := streams(t, s.victim); now != taken || n-turnedAway != dialed {
		t.Errorf("%d streams were taken, %d turned away; want 0 and %d", now-taken, n-turnedAway, dialed)
	}
}

// intrude runs a weft that takes everybody on the third host, until it has been refused, and checks that it reaches nobody and
// nobody knows it.
func (c *certified) intrude(t *testing.T) {
	n, inner := c.Nodes[2], c.delivered(t)
	if err := n.Up("--subnet", "10.244.9.0/24"); err != nil {
		t.Fatal(err)
	}
	err := n.AwaitStatus(within(t, patience), func(s *api.Status) (bool, string) {
		return len(s.Node.Refused) > 0 || len(s.Node.Seeds) > 0 && s.Node.Seeds[0].Tries > 1, fmt.Sprintf("%+v", s.Node.Seeds)
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, honest := range c.Nodes[:2] {
		s := status(t, honest)
		for _, p := range s.Peers {
			if p.Name == n.Name() && p.State == api.StateUp {
				t.Errorf("%s reaches it: %+v", honest.Name(), p)
			}
		}
		if routes := kernelRoutes(t, honest); strings.Contains(routes, "10.244.9.0/24") {
			t.Errorf("%s sends to it:\n%s", honest.Name(), routes)
		}
	}
	if _, err := n.Run(within(t, patience), "ping", "-n", "-c", "2", "-i", "0.1", "-W", "1", status(t, c.victim).Node.Addresses[0].String()); err == nil {
		t.Error("the victim answers it")
	}
	if n := c.delivered(t) - inner; n != 0 {
		t.Errorf("%d packets were delivered", n)
	}
	if err := n.Kill(within(t, patience)); err != nil {
		t.Fatal(err)
	}
}

// stolenSecret is the secret that a node speaks under.
func stolenSecret(t *testing.T, n *cluster.Node) trust.Secret {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(n.Dir(), "secret"))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	secret, err := trust.ParseSecret(first)
	if err != nil {
		t.Fatal(err)
	}
	return secret
}
