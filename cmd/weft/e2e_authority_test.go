package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/cluster"
	"github.com/weftnet/weft/lab/labtest"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/trust"
)

// operator has the key of an authority, and weft to use it with.
type operator struct {
	*cluster.Cluster
	key, public string
}

// newOperator makes a cluster of certified nodes that take certified nodes alone; no daemon runs yet.
func newOperator(t *testing.T, hosts int) *operator {
	t.Helper()
	o := &operator{Cluster: newCluster(t, hosts)}
	o.key, o.public = filepath.Join(o.Nodes[0].Dir(), "authority.key"), filepath.Join(o.Nodes[0].Dir(), "authority.pub")
	o.weft(t, o.Nodes[0], "authority", "new", "--key", o.key, "--public", o.public)
	for _, n := range o.Nodes {
		configure(t, n, "authority", o.public)
		configure(t, n, "certificate", o.certify(t, n, "--days", "90"))
	}
	return o
}

func (o *operator) weft(t *testing.T, n *cluster.Node, args ...string) string {
	t.Helper()
	out, err := n.Weft(within(t, patience), args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// certify puts a certificate for all of the network in the place of a node's.
func (o *operator) certify(t *testing.T, n *cluster.Node, flags ...string) (file string) {
	t.Helper()
	file = filepath.Join(n.Dir(), "certificate")
	text := o.weft(t, n, append(append([]string{"authority", "sign", "--key", o.key}, o.request(t, n)...),
		append([]string{"--subnet", "10.244.0.0/16,fd10:244::/48"}, flags...)...)...)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// request is what 'weft authority request' prints: name and fingerprint.
func (o *operator) request(t *testing.T, n *cluster.Node) []string {
	t.Helper()
	return strings.Fields(o.weft(t, n, "authority", "request", "--config", n.Config(), "--certificate", ""))
}

// awaitRefused waits until a node refuses a peer for that reason.
func awaitRefused(t *testing.T, n *cluster.Node, peer, reason string) {
	t.Helper()
	err := n.AwaitStatus(within(t, patience), func(s *api.Status) (bool, string) {
		for _, p := range s.Peers {
			if p.Name == peer {
				return p.State == api.StateRefused && strings.Contains(p.Reason, reason), fmt.Sprintf("%s is %s: %s", peer, p.State, p.Reason)
			}
		}
		return false, peer + " is not known"
	})
	if err != nil {
		t.Fatal(err)
	}
}

// One cluster goes through what an operator does to it: renewals, a certificate that ends, and a revocation. What has no part in it
// loses no packet.
func TestACertifiedClusterLivesThroughRenewalExpiryAndRevocation(t *testing.T) {
	t.Parallel()
	o := newOperator(t, 3)
	startAll(t, o.Cluster)
	a, b, bad := o.Nodes[0], o.Nodes[1], o.Nodes[2]
	toA, toB := status(t, a).Node.Addresses[0], status(t, b).Node.Addresses[0]
	there, back := startPinging(t, a, toB), startPinging(t, b, toA)
	o.renew(t)
	t.Run("expiry", func(t *testing.T) { o.expire(t, bad, a, b) })
	t.Run("revocation", func(t *testing.T) { o.revoke(t, bad, a, b) })
	for what, p := range map[string]pinging{"there": there, "back": back} {
		if lost, sent := p.losses(t); lost > 0 {
			t.Errorf("%s: %d of %d packets lost between the two that stayed", what, lost, sent)
		}
	}
	o.remember(t, bad, b)
}

// renew gives every node another certificate, and waits until the others have it.
func (o *operator) renew(t *testing.T) {
	t.Helper()
	for _, n := range o.Nodes {
		o.certify(t, n)
		if says := reload(t, n); !strings.HasPrefix(says, "changed: certificate") {
			t.Errorf("reload of %s: %s", n.Name(), says)
		}
	}
	for _, n := range o.Nodes {
		if got := status(t, n).Node; got.Claims != 3 || len(got.Conflicts) > 0 || got.Trust.Certificate == nil || got.Trust.Certificate.NotAfter.Before(time.Now().AddDate(0, 6, 0)) {
			t.Errorf("%s: %d claims, %v, %+v", n.Name(), got.Claims, got.Conflicts, got.Trust)
		}
	}
	awaitAll(t, o.Cluster)
}

// expire lets a node's certificate end, and renews it.
func (o *operator) expire(t *testing.T, bad *cluster.Node, others ...*cluster.Node) {
	end := time.Now().Truncate(time.Second).Add(3 * time.Second)
	o.certify(t, bad, "--until", end.UTC().Format(time.RFC3339))
	reload(t, bad)
	for _, n := range others {
		awaitRefused(t, n, bad.Name(), "its certificate expired")
		if now := time.Now(); now.Before(end) {
			t.Errorf("%s refused it %v before its end", n.Name(), end.Sub(now))
		}
		silent(t, bad, n)
	}
	o.certify(t, bad)
	reload(t, bad)
	awaitAll(t, o.Cluster)
}

// silent checks that of what one node sends to another nothing is delivered.
func silent(t *testing.T, from, to *cluster.Node) {
	t.Helper()
	before := status(t, to)
	had := map[string]uint64{}
	for _, p := range before.Peers {
		had[p.Name] = p.Received.Packets
	}
	for _, dst := range before.Node.Addresses {
		if out, err := from.Run(within(t, patience), "ping", "-n", "-q", "-c", "3", "-i", "0.05", "-W", "1", dst.String()); err == nil {
			t.Errorf("%s reaches %s at %s: %s", from.Name(), to.Name(), dst, out)
		}
	}
	for _, p := range status(t, to).Peers {
		if got := p.Received.Packets; p.Name == from.Name() && got > 0 && got != had[p.Name] {
			t.Errorf("%s took %d packets of %s", to.Name(), got, from.Name())
		}
	}
}

// revoke takes a node's key out of the cluster by the authority's word, which one node gets.
func (o *operator) revoke(t *testing.T, bad *cluster.Node, others ...*cluster.Node) {
	file := filepath.Join(o.Nodes[0].Dir(), "revoked")
	text := o.weft(t, o.Nodes[0], "authority", "revoke", "--key", o.key, "--fingerprint", o.request(t, bad)[1])
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if says := o.weft(t, others[0], "peers", "revoke", "--socket", others[0].Socket(), "--signed", file); !strings.HasSuffix(strings.TrimSpace(says), ", for everybody") {
		t.Errorf("it says %q", says)
	}
	for _, n := range others {
		awaitRefused(t, n, bad.Name(), "the authority has revoked its key")
		silent(t, bad, n)
	}
	o.certify(t, bad) // another certificate of the same key changes nothing
	reload(t, bad)
	for _, n := range others {
		silent(t, bad, n)
	}
}

// remember restarts a node: it refuses the same peer.
func (o *operator) remember(t *testing.T, bad, n *cluster.Node) {
	t.Helper()
	if err := n.Stop(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	if err := n.Up(); err != nil {
		t.Fatal(err)
	}
	awaitPeer(t, n, o.Nodes[0].Name(), api.StateUp)
	if got := status(t, n).Node.Trust.Revoked; got != 1 {
		t.Errorf("after a restart %d are revoked, want 1", got)
	}
	silent(t, bad, n)
}

func TestWithoutAnAuthorityAPeerIsRevokedByOneNodeAlone(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	startAll(t, c)
	a, bad, other := c.Nodes[0], c.Nodes[1], c.Nodes[2]
	out, err := a.Weft(within(t, patience), "peers", "revoke", bad.Name(), "--socket", a.Socket())
	if err != nil || !strings.Contains(out, "rotate the secret") {
		t.Errorf("it says %q (%v)", out, err)
	}
	awaitRefused(t, a, bad.Name(), "this node has revoked its key")
	silent(t, bad, a)
	awaitPeer(t, other, bad.Name(), api.StateUp)
	awaitPeer(t, a, other.Name(), api.StateUp)
}

func TestCommandsOfTheAuthorityRefuseInOneLineAndOverwriteNothing(t *testing.T) {
	dir := t.TempDir()
	key, public := filepath.Join(dir, "a.key"), filepath.Join(dir, "a.pub")
	command(t, 0, "authority", "new", "--key", key, "--public", public)
	fp := strings.Repeat("ab", 32)
	for _, bad := range []struct {
		want string
		args []string
	}{
		{key + ": it is there already (a key is never overwritten", []string{"new", "--key", key, "--public", public}},
		{`"x" is not a fingerprint (64 hexadecimal digits)`, []string{"sign", "vm-1", "x", "--subnet", "10.244.1.0/24"}},
		{"--subnet is missing", []string{"sign", "vm-1", fp}},
		{`--subnet: "ten" is not a prefix`, []string{"sign", "vm-1", fp, "--subnet", "ten"}},
		{"--subnet: 10.244.1.1/24 has bits set behind its length: write 10.244.1.0/24", []string{"sign", "vm-1", fp, "--subnet", "10.244.1.1/24"}},
		{"--days: 0 is not a number of days", []string{"sign", "vm-1", fp, "--subnet", "10.244.1.0/24", "--days", "0"}},
		{"--days and --until both say when it ends", []string{"sign", "vm-1", fp, "--subnet", "10.244.1.0/24", "--days", "3", "--until", "2999-01-01"}},
		{"--until: 2001-01-01 is past", []string{"sign", "vm-1", fp, "--subnet", "10.244.1.0/24", "--until", "2001-01-01"}},
		{`has spaces or control characters`, []string{"sign", "vm 1", fp, "--subnet", "10.244.1.0/24", "--key", key}},
		{"--key: " + public + `: not the private key of an authority: it holds a "PUBLIC KEY"`, []string{"sign", "vm-1", fp, "--subnet", "10.244.1.0/24", "--key", public}},
		{"NAME and FINGERPRINT are missing", []string{"sign"}},
		{"OLD and NEW are missing", []string{"rotate"}},
		{`OLD: "x" is not the id of a secret`, []string{"rotate", "x", strings.Repeat("ab", 16)}},
		{"OLD and NEW are the same secret", []string{"rotate", strings.Repeat("ab", 16), strings.Repeat("ab", 16)}},
		{"--days: 91 is not a number of days", []string{"rotate", strings.Repeat("ab", 16), strings.Repeat("cd", 16), "--days", "91"}},
		{"say what is revoked", []string{"revoke", "--key", key}},
		{"say one thing that is revoked", []string{"revoke", "--key", key, "--serial", "1", "--fingerprint", fp}},
		{key + `: not a certificate: it holds a "PRIVATE KEY"`, []string{"show", key}},
		{dir + "/none: no such file or directory", []string{"show", dir + "/none"}},
	} {
		if bad.args[0] != "new" && !strings.Contains(strings.Join(bad.args, " "), "--key") && bad.args[0] != "show" {
			bad.args = append(bad.args, "--key", key)
		}
		_, stderr := command(t, 2, append([]string{"authority"}, bad.args...)...)
		if strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, bad.want) {
			t.Errorf("%v: %q, want one line with %q", bad.args, stderr, bad.want)
		}
	}
}

func TestAKeyThatOthersMayReadIsNeitherCertifiedNorReplaced(t *testing.T) {
	dir := t.TempDir()
	key, file := filepath.Join(dir, trust.IdentityFile), filepath.Join(dir, "config.yaml")
	for path, text := range map[string]string{key: strings.Repeat("k", 32), file: "name: vm-1\nnetwork: 10.244.0.0/16\nstate_dir: " + dir + "\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"authority", "request"}, {"key", "replace"}} {
		out, stderr := command(t, 2, append(args, "--config", file)...)
		if out != "" || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "state_dir") || !strings.Contains(stderr, "chmod 600 "+key) {
			t.Errorf("%v: printed %q, and said %q", args, out, stderr)
		}
	}
}

// A serial number is one authority's: the revocation of another would be taken by all nodes, and shut out nobody.
func TestACertificateIsRevokedByItsOwnAuthorityAlone(t *testing.T) {
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"a", "b"} {
		command(t, 0, "authority", "new", "--key", file(name+".key"), "--public", file(name+".pub"))
	}
	text, _ := command(t, 0, "authority", "sign", "vm-1", strings.Repeat("ab", 32), "--subnet", "10.244.1.0/24", "--key", file("a.key"))
	if err := os.WriteFile(file("vm-1.crt"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, stderr := command(t, 2, "authority", "revoke", "--key", file("b.key"), "--certificate", file("vm-1.crt"))
	if out != "" || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "--certificate: "+file("vm-1.crt")+": it is of another authority") {
		t.Errorf("printed %q, and said %q", out, stderr)
	}
	command(t, 0, "authority", "revoke", "--key", file("a.key"), "--certificate", file("vm-1.crt"))
}

func TestTheAuthorityShowsWhatACertificateSays(t *testing.T) {
	dir := t.TempDir()
	key, public, file := filepath.Join(dir, "a.key"), filepath.Join(dir, "a.pub"), filepath.Join(dir, "vm-1.crt")
	command(t, 0, "authority", "new", "--key", key, "--public", public)
	fp := strings.Repeat("ab", 32)
	text, _ := command(t, 0, "authority", "sign", "vm-1", fp, "--key", key, "--subnet", "10.244.1.0/24", "--route", "192.168.0.0/16", "--days", "10")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	show := func(code int, flags ...string) (s shownCertificate) {
		t.Helper()
		out, stderr := command(t, code, append([]string{"authority", "show", file, "--json"}, flags...)...)
		if err := json.Unmarshal([]byte(out), &s); err != nil {
			t.Fatal(err)
		}
		if said := strings.Count(stderr, "\n"); said != code {
			t.Errorf("exit code %d, and %q", code, stderr)
		}
		return s
	}
	if s := show(0, "--public", public); !s.Checked || !s.Counts || s.Name != "vm-1" || s.Fingerprint != fp || len(s.Subnets) != 1 || len(s.Routes) != 1 || s.Serial == 0 {
		t.Errorf("%+v", s)
	}
	other := filepath.Join(dir, "b.pub")
	command(t, 0, "authority", "new", "--key", filepath.Join(dir, "b.key"), "--public", other)
	if s := show(1, "--public", other); s.Counts || !strings.Contains(s.Reason, "another authority") {
		t.Errorf("with another authority's key: %+v", s)
	}
	if out, _ := command(t, 0, "authority", "show", file); !strings.Contains(out, "its signature was not checked") {
		t.Errorf("it prints %s", out)
	}
}

// The document's hosts run in its order; what one writes to its working directory is "copied" to the others.
func TestTheCommandsOfTheAuthorityDocumentWork(t *testing.T) {
	t.Parallel()
	needRoot(t)
	l := labtest.Lab(interrupted, t, lab.Options{})
	hosts := map[string]*lab.Host{}
	shared := t.TempDir()
	for _, b := range blocks(t, "docs/authority.md") {
		if hosts[b.host] == nil {
			hosts[b.host] = labtest.Host(t, l, b.host)
		}
		runBlock(t, hosts[b.host], shared, b)
	}
	await(t, func() (bool, string) {
		s, err := api.NewClient(socketOf(hosts["vm-1"])).Status(t.Context())
		if err != nil {
			return false, err.Error()
		}
		return len(s.Peers) == 1 && s.Peers[0].State == api.StateRefused && s.Node.Trust.Revoked == 1, fmt.Sprintf("%+v %+v", s.Peers, s.Node.Trust)
	})
}

// command runs weft in this process, and wants that exit code.
func command(t *testing.T, code int, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, errs strings.Builder
	if got := run(t.Context(), args, &out, &errs); got != code {
		t.Errorf("weft %s: exit code %d, want %d: %s", strings.Join(args, " "), got, code, errs.String())
	}
	return out.String(), errs.String()
}
