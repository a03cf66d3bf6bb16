package trust

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
)

func newIdentity(t *testing.T, seed []byte) *Identity {
	t.Helper()
	id, err := NewIdentity(seed)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// TestIdentityOfASeedIsFixed holds answers of OpenSSL for the keys that HKDF makes of the seed. They may never change: a node
// would lose its name with an upgrade.
func TestIdentityOfASeedIsFixed(t *testing.T) {
	id := newIdentity(t, count[:])
	public := id.Public()
	for name, c := range map[string]struct{ got, want string }{
		"X25519":      {hex.EncodeToString(public.DH[:]), "ddd1d50f44ce764201df89f975eff04db4741fac923fdbb67083020bd4170271"},
		"Ed25519":     {hex.EncodeToString(public.Sign[:]), "6d4ad193849c01b4f681bceed8720585a1941c19ed8fb27ea3d9031a416cc3a9"},
		"fingerprint": {id.Fingerprint().String(), "0b90fb896f2277255c3f0f260e49437519deaff99f15b711e92a3a2489ee0759"},
	} {
		if c.got != c.want {
			t.Errorf("%s = %s, want %s", name, c.got, c.want)
		}
	}
}

func TestThePrivateKeyForHandshakesBelongsToThePublicOne(t *testing.T) {
	id := newIdentity(t, count[:])
	raw := id.DHPrivate()
	private, err := ecdh.X25519().NewPrivateKey(raw[:])
	if err != nil {
		t.Fatal(err)
	}
	if public := id.Public(); !bytes.Equal(private.PublicKey().Bytes(), public.DH[:]) {
		t.Error("it does not")
	}
}

func TestASignatureIsTheSignersOverTheMessage(t *testing.T) {
	id := newIdentity(t, count[:])
	other := newIdentity(t, bytes.Repeat([]byte{7}, 32)).Public()
	message := []byte("a claim")
	sig := id.Sign(message)
	public := id.Public()
	if !public.Verify(message, sig) {
		t.Error("it is refused")
	}
	if other.Verify(message, sig) || public.Verify([]byte("a clain"), sig) || public.Verify(message, sig[:63]) || public.Verify(message, nil) {
		t.Error("a wrong one is accepted")
	}
}

func TestTheFirstStartMakesAnIdentityAndLaterOnesKeepIt(t *testing.T) {
	dir := t.TempDir()
	first, created, err := LoadIdentity(dir, bytes.NewReader(count[:]))
	if err != nil || !created {
		t.Fatalf("LoadIdentity = created %v, %v", created, err)
	}
	info, err := os.Stat(filepath.Join(dir, IdentityFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode of the key file = %v, %v, want 0600", info.Mode(), err)
	}
	again, created, err := LoadIdentity(dir, iotest.ErrReader(errors.New("no randomness is needed")))
	if err != nil || created || again.Fingerprint() != first.Fingerprint() {
		t.Errorf("second LoadIdentity = created %v, %v", created, err)
	}
}

func TestADamagedKeyFileIsNamedWithTheRemedyAndLeftAsItIs(t *testing.T) {
	for name, content := range map[string][]byte{"empty": {}, "short": count[:31], "long": append(count[:], 7), "zeros": make([]byte, seedLen)} {
		dir := t.TempDir()
		path := filepath.Join(dir, IdentityFile)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		_, created, err := LoadIdentity(dir, bytes.NewReader(count[:]))
		if err == nil || created {
			t.Errorf("%s: it is taken", name)
			continue
		}
		for _, want := range []string{path, "damaged", "move it away"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q is missing in %q", name, want, err)
			}
		}
		if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, content) {
			t.Errorf("%s: the file was changed", name)
		}
	}
}

func TestAnUnreadableKeyFileIsNotReplaced(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, IdentityFile), 0o700); err != nil { // reading fails, also for root
		t.Fatal(err)
	}
	if _, created, err := LoadIdentity(dir, bytes.NewReader(count[:])); err == nil || created {
		t.Errorf("LoadIdentity = created %v, %v", created, err)
	}
}

// The key may lie on a file system that is not mounted yet: another one in its place would be another node.
func TestALinkThatLeadsNowhereIsNotReplacedByANewKey(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, IdentityFile)
	if err := os.Symlink(filepath.Join(dir, "unmounted", IdentityFile), path); err != nil {
		t.Fatal(err)
	}
	replace := func(*Identity, *Identity) error { return nil }
	_, _, errLoad := LoadIdentity(dir, rand.Reader)
	_, _, errRead := LoadIdentity(dir, nil)
	_, _, errReplace := ReplaceIdentity(dir, rand.Reader, replace)
	for _, err := range []error{errLoad, errRead, errReplace} {
		if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) {
			t.Errorf("error %v, want one that names %s", err, path)
		}
	}
	if info, err := os.Lstat(path); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v", err)
	}
}

func TestWithoutRandomnessNoKeyIsMade(t *testing.T) {
	dir := t.TempDir()
	if _, _, err := LoadIdentity(dir, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want fs.ErrNotExist", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("left: %v, %v", entries, err)
	}
}

func TestAFailedFirstStartLeavesNoFile(t *testing.T) {
	dir := t.TempDir()
	if _, _, err := LoadIdentity(dir, bytes.NewReader(count[:31])); err == nil {
		t.Error("an identity of too little randomness")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	if _, _, err := LoadIdentity(filepath.Join(dir, "absent"), bytes.NewReader(count[:])); err == nil {
		t.Error("an identity without its directory")
	}
}

func TestFormattingAnIdentityHidesItsKeys(t *testing.T) {
	id := newIdentity(t, count[:])
	for _, format := range []string{"%v", "%+v", "%s"} {
		if got := fmt.Sprintf(format, id); got != id.Fingerprint().Short() {
			t.Errorf("%s = %s, want the short fingerprint", format, got)
		}
	}
}

func TestAFingerprintReadsItsOwnText(t *testing.T) {
	f := newIdentity(t, count[:]).Fingerprint()
	if got, err := ParseFingerprint(f.String()); err != nil || got != f {
		t.Errorf("ParseFingerprint = %v, %v", got, err)
	}
	if got, err := ParseFingerprint(strings.ToUpper(f.String())); err != nil || got != f {
		t.Errorf("ParseFingerprint in capitals = %v, %v", got, err)
	}
	if !strings.HasPrefix(f.String(), f.Short()) || len(f.Short()) != 16 {
		t.Errorf("Short = %s of %s", f.Short(), f)
	}
	if f.IsZero() || !(Fingerprint{}).IsZero() {
		t.Error("IsZero is wrong")
	}
}

func TestWhatIsNoFingerprintIsRefusedAndQuoted(t *testing.T) {
	good := newIdentity(t, count[:]).Fingerprint().String()
	for _, text := range []string{"", good[:63], good[:62], good + "00", "x" + good[1:], " " + good} {
		f, err := ParseFingerprint(text)
		if err == nil || !f.IsZero() || !strings.Contains(err.Error(), fmt.Sprintf("%q", text)) {
			t.Errorf("ParseFingerprint(%q) = %v, %v", text, f, err)
		}
	}
}

func TestBootNoncesAreDrawn(t *testing.T) {
	b, err := NewBootNonce(bytes.NewReader(count[:]))
	if err != nil || b.String() != "0001020304050607" {
		t.Errorf("NewBootNonce = %v, %v", b, err)
	}
	if _, err := NewBootNonce(bytes.NewReader(count[:7])); err == nil {
		t.Error("a nonce of too little randomness")
	}
}

func FuzzParseFingerprint(f *testing.F) {
	f.Add(Fingerprint(count).String())
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ParseFingerprint(text)
		if err == nil && !strings.EqualFold(got.String(), text) {
			t.Errorf("%q reads as %v", text, got)
		}
	})
}

// A daemon and 'weft authority request' may both find that there is no key yet.
func TestOfManyThatMakeAKeyAtOnceAllGetTheSame(t *testing.T) {
	dir := t.TempDir()
	var all sync.WaitGroup
	var made atomic.Int32
	found := make([]Fingerprint, 16)
	for i := range found {
		all.Go(func() {
			id, created, err := LoadIdentity(dir, rand.Reader)
			if err != nil {
				t.Error(err)
				return
			}
			if found[i] = id.Fingerprint(); created {
				made.Add(1)
			}
		})
	}
	all.Wait()
	if left := slices.Compact(found); made.Load() != 1 || len(left) != 1 {
		t.Errorf("%d were made, %d times another one was returned", made.Load(), len(left)-1)
	}
}
