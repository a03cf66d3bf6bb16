package main

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/weftnet/weft/lab/cluster"
	"github.com/weftnet/weft/lab/labtest"
	"github.com/weftnet/weft/trust"
)

// badKeys are files with keys that are not in order, and what the line must name that refuses them.
var badKeys = map[string]struct {
	spoil func(t *testing.T, n *cluster.Node, f keyFiles) error
	want  func(f keyFiles) []string
}{
	"secret that others may read": {
		func(_ *testing.T, _ *cluster.Node, f keyFiles) error { return os.Chmod(f.secret, 0o644) },
		func(f keyFiles) []string { return []string{"secret_file: ", f.secret, "chmod 600", "rotate"} }},
	"secret that a group may read": {
		func(_ *testing.T, _ *cluster.Node, f keyFiles) error { return os.Chmod(f.secret, 0o640) },
		func(f keyFiles) []string { return []string{"secret_file: ", f.secret, "chmod 600"} }},
	"short secret": {
		func(_ *testing.T, _ *cluster.Node, f keyFiles) error {
			return os.WriteFile(f.secret, []byte("c2hvcnQ=\n"), 0o600)
		},
		func(f keyFiles) []string { return []string{"secret_file: ", f.secret, "44 characters", "weft secret"} }},
	"node key that others may read": {
		func(_ *testing.T, _ *cluster.Node, f keyFiles) error { return os.Chmod(f.node, 0o644) },
		func(f keyFiles) []string { return []string{"state_dir: ", f.node, "chmod 600"} }},
	"node key that is cut short": {
		func(_ *testing.T, _ *cluster.Node, f keyFiles) error { return os.Truncate(f.node, 31) },
		func(f keyFiles) []string { return []string{"state_dir: ", f.node, "31 bytes, not 32", "copy"} }},
	"node key that is too long": {
		func(_ *testing.T, _ *cluster.Node, f keyFiles) error {
			return os.WriteFile(f.node, make([]byte, 64), 0o600)
		},
		func(f keyFiles) []string { return []string{"state_dir: ", f.node, "64 bytes, not 32"} }},
	"empty node key": {
		func(_ *testing.T, _ *cluster.Node, f keyFiles) error { return os.Truncate(f.node, 0) },
		func(f keyFiles) []string { return []string{"state_dir: ", f.node, "0 bytes, not 32"} }},
	"authority without a certificate": {
		func(t *testing.T, n *cluster.Node, f keyFiles) error {
			return f.certify(t, n, "authority: "+f.public+"\n", func(*trust.Certificate) {})
		},
		func(keyFiles) []string { return []string{"authority: ", "certificate", "weft authority request"} }},
	"the authority's private key on a node": {
		func(t *testing.T, n *cluster.Node, f keyFiles) error {
			return f.certify(t, n, "authority: "+f.private+"\ncertificate: "+f.certificate+"\n", func(*trust.Certificate) {})
		},
		func(f keyFiles) []string { return []string{"authority: ", f.private, "private key", "public key"} }},
	"certificate for another name": {
		func(t *testing.T, n *cluster.Node, f keyFiles) error {
			return f.certify(t, n, f.strict(), func(c *trust.Certificate) { c.Name = "vm-9" })
		},
		func(f keyFiles) []string {
			return []string{"certificate: ", f.certificate, `"vm-9"`, `"vm-1"`, "sign another"}
		}},
	"certificate for another key": {
		func(t *testing.T, n *cluster.Node, f keyFiles) error {
			return f.certify(t, n, f.strict(), func(c *trust.Certificate) { c.Fingerprint[0] ^= 1 })
		},
		func(f keyFiles) []string {
			return []string{"certificate: ", f.certificate, "is for key", "sign another"}
		}},
	"certificate that has expired": {
		func(t *testing.T, n *cluster.Node, f keyFiles) error {
			return f.certify(t, n, f.strict(), func(c *trust.Certificate) { c.NotAfter = time.Now().Add(-3 * time.Hour) })
		},
		func(f keyFiles) []string {
			return []string{"certificate: ", f.certificate, "expired", "sign a new one", "clock"}
		}},
	"certificate of a clock that is ahead": {
		func(t *testing.T, n *cluster.Node, f keyFiles) error {
			return f.certify(t, n, f.strict(), func(c *trust.Certificate) { c.NotBefore = time.Now().Add(3 * time.Hour) })
		},
		func(f keyFiles) []string {
			return []string{"certificate: ", f.certificate, "counts from", "set the clock"}
		}},
	"clear to a public address": {
		func(t *testing.T, n *cluster.Node, _ keyFiles) error {
			configure(t, n, "encryption", "off")
			configure(t, n, "advertise", "[9.9.9.9]")
			return nil
		},
		func(keyFiles) []string {
			return []string{"line 11: advertise: ", "9.9.9.9", "encryption is off", "read and alter", "inject", "clear_on_public"}
		}},
	"clear at a public default route": {
		func(t *testing.T, n *cluster.Node, _ keyFiles) error {
			configure(t, n, "encryption", "off")
			return nil
		},
		func(keyFiles) []string {
			return []string{"advertise: ", "9.9.9.9", "encryption is off", "read and alter", "clear_on_public"}
		}},
}

// keyFiles are the files with keys of a host, and those of an authority beside it.
type keyFiles struct{ secret, node, private, public, certificate string }

// Whatever is wrong with a key is one line that names file, key of the configuration and remedy, by 'up' and by 'up --check' alike, and
// nothing runs.
func TestAKeyThatIsNotInOrderIsRefusedInOneLineWithItsRemedy(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	n, weft := c.Nodes[0], labtest.Weft(t)
	if err := os.MkdirAll(n.StateDir(), 0o700); err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(n.Dir(), name) }
	f := keyFiles{at("secret"), filepath.Join(n.StateDir(), trust.IdentityFile), at("authority.key"), at("authority.pub"), at("node.crt")}
	publicRoute(t, n)
	good, before := f.good(t, n), kernelRoutes(t, n)
	for name, bad := range badKeys {
		t.Run(name, func(t *testing.T) {
			good()
			if err := bad.spoil(t, n, f); err != nil {
				t.Fatal(err)
			}
			refused(t, n, 2, bad.want(f), weft, "up", "--config", n.Config())
			refused(t, n, 2, bad.want(f), weft, "up", "--check", "--config", n.Config())
		})
	}
	if after := kernelRoutes(t, n); after != before {
		t.Errorf("routes changed from\n%s to\n%s", before, after)
	}
	good()
	if _, err := n.Run(within(t, patience), weft, "up", "--check", "--config", n.Config()); err != nil {
		t.Errorf("with keys that are in order: %v", err)
	}
}

// publicRoute makes a host's packets leave from a public address; the network of the lab ends at its bridge.
func publicRoute(t *testing.T, n *cluster.Node) {
	t.Helper()
	if _, err := n.Run(within(t, patience), "sh", "-c", "ip address add 9.9.9.9/24 dev eth0 && ip route add default via 9.9.9.1"); err != nil {
		t.Fatal(err)
	}
}

// good returns a function that puts all of a host's files in order, as they are now.
func (f keyFiles) good(t *testing.T, n *cluster.Node) func() {
	t.Helper()
	config, err := os.ReadFile(n.Config())
	if err != nil {
		t.Fatal(err)
	}
	secret, err := os.ReadFile(f.secret)
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		for file, text := range map[string][]byte{n.Config(): config, f.secret: secret, f.node: bytes.Repeat([]byte{7}, 32)} {
			if err := cmp.Or(os.WriteFile(file, text, 0o600), os.Chmod(file, 0o600)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// extend adds keys to a host's configuration.
func extend(n *cluster.Node, text string) error {
	config, err := os.ReadFile(n.Config())
	if err != nil {
		return err
	}
	return os.WriteFile(n.Config(), append(config, text...), 0o600)
}

// strict are the keys of a configuration with authority and certificate.
func (f keyFiles) strict() string {
	return "authority: " + f.public + "\ncertificate: " + f.certificate + "\n"
}

// certify makes an authority, a certificate for the host, as edited, and adds keys to its configuration.
func (f keyFiles) certify(t *testing.T, n *cluster.Node, keys string, edit func(*trust.Certificate)) error {
	t.Helper()
	id, _, err := trust.LoadIdentity(n.StateDir(), nil)
	if err != nil {
		return err
	}
	a, err := trust.NewAuthority(rand.Reader)
	if err != nil {
		return err
	}
	now := time.Now()
	content := trust.Certificate{
		Fingerprint: id.Fingerprint(), Name: n.Name(), Subnets: []netip.Prefix{netip.MustParsePrefix("10.244.0.0/16")},
		NotBefore: now.Add(-24 * time.Hour), NotAfter: now.Add(24 * time.Hour),
	}
	edit(&content)
	signed, err := a.Sign(content, rand.Reader)
	if err != nil {
		return err
	}
	return cmp.Or(os.WriteFile(f.private, a.PEM(), 0o600), os.WriteFile(f.public, a.Public().PEM(), 0o644),
		os.WriteFile(f.certificate, signed.PEM(), 0o644), extend(n, keys))
}
