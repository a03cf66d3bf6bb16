package trust

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func newTestAuthority(t *testing.T) *Authority {
	t.Helper()
	a, err := NewAuthority(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestAnAuthoritySurvivesItsFiles(t *testing.T) {
	a := newTestAuthority(t)
	private, public := filepath.Join(t.TempDir(), "a.key"), filepath.Join(t.TempDir(), "a.pub")
	if err := a.WriteNew(private, public); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(private)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the private key's mode is %v (%v), want 0600", info.Mode(), err)
	}
	again, err := ReadAuthority(private)
	if err != nil || again.Public() != a.Public() {
		t.Errorf("read back: %v, %v", again, err)
	}
	keys, err := ReadAuthorityKeys(public)
	if err != nil || len(keys) != 1 || keys[0] != a.Public() {
		t.Errorf("public key read back: %v, %v", keys, err)
	}
	if keys, err := ParseAuthorityKeys(append([]byte(byteOrderMark), a.Public().PEM()...)); err != nil || len(keys) != 1 {
		t.Errorf("behind a byte order mark: %v, %v", keys, err)
	}
}

func TestAKeyIsNeverOverwritten(t *testing.T) {
	dir := t.TempDir()
	private, public := filepath.Join(dir, "a.key"), filepath.Join(dir, "a.pub")
	for _, there := range []string{private, public} {
		if err := os.WriteFile(there, []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := newTestAuthority(t).WriteNew(private, public); err == nil || !strings.Contains(err.Error(), there) {
			t.Errorf("error %v does not name %s", err, there)
		}
		if held, _ := os.ReadFile(there); string(held) != "mine" {
			t.Errorf("%s was overwritten", there)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 1 {
			t.Errorf("files %v, want only %s", left, there)
		}
		if err := os.Remove(there); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAPrivateKeyThatOthersMayReadIsRefused(t *testing.T) {
	private, public := filepath.Join(t.TempDir(), "a.key"), filepath.Join(t.TempDir(), "a.pub")
	if err := newTestAuthority(t).WriteNew(private, public); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(private, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadAuthority(private); err == nil || !strings.Contains(err.Error(), private+": others may read it (mode 0640)") {
		t.Errorf("error %v", err)
	}
}

func TestWhatIsNoKeyIsNamedAndNotQuoted(t *testing.T) {
	a := newTestAuthority(t)
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", "0 PEM blocks"},
		{"a private key", string(a.PEM()), "stays off the nodes"},
		{"a certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", `it holds a "CERTIFICATE"`},
		{"a key of another kind", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "not a key of Ed25519"},
		{"three keys", string(bytes.Join([][]byte{a.Public().PEM(), newTestAuthority(t).Public().PEM(), newTestAuthority(t).Public().PEM()}, nil)), "3 PEM blocks"},
	} {
		_, err := ParseAuthorityKeys([]byte(c.text))
		if !errors.Is(err, ErrAuthority) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.want)
		}
	}
	if _, err := ParseAuthority(a.Public().PEM()); !errors.Is(err, ErrAuthorityKey) || !strings.Contains(err.Error(), `it holds a "PUBLIC KEY"`) {
		t.Errorf("a public key in place of the private one: %v", err)
	}
}

func TestAnAuthorityIsNeverPrintedWithItsKey(t *testing.T) {
	a := newTestAuthority(t)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		for _, v := range []any{a, *a} {
			if got := fmt.Sprintf(verb, v); got != a.Public().ID().String() {
				t.Errorf("%s shows %q", verb, got)
			}
		}
	}
}

func TestOpensslReadsAndMakesAuthorities(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	dir := t.TempDir()
	private := filepath.Join(dir, "a.key")
	if out, err := exec.Command(openssl, "genpkey", "-algorithm", "ed25519", "-out", private).CombinedOutput(); err != nil {
		t.Skipf("this openssl makes no keys of Ed25519: %v %s", err, out)
	}
	a, err := ReadAuthority(private)
	if err != nil {
		t.Fatal(err)
	}
	public, err := exec.Command(openssl, "pkey", "-in", private, "-pubout").Output()
	if err != nil || !bytes.Equal(public, a.Public().PEM()) {
		t.Errorf("openssl has %s (%v), ours is %s", public, err, a.Public().PEM())
	}
}
