package trust

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
)

// count is 00 01 02 ... 1f, the input of the known-answer tests.
var count = func() (b [32]byte) {
	for i := range b {
		b[i] = byte(i)
	}
	return b
}()

func TestASecretReadsItsOwnText(t *testing.T) {
	s, err := NewSecret(bytes.NewReader(count[:]))
	if err != nil {
		t.Fatal(err)
	}
	const want = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
	if s.Text() != want {
		t.Errorf("Text = %s, want %s", s.Text(), want)
	}
	for _, text := range []string{want, strings.TrimRight(want, "="), "  " + want + "\r\n"} {
		if got, err := ParseSecret(text); err != nil || got != s {
			t.Errorf("ParseSecret(%q) = %v", text, err)
		}
	}
}

func TestASecretThatCannotBeDrawnIsAnError(t *testing.T) {
	for _, source := range []*bytes.Reader{bytes.NewReader(nil), bytes.NewReader(count[:31])} {
		if s, err := NewSecret(source); err == nil || s != (Secret{}) {
			t.Error("a secret of too little randomness")
		}
	}
	if _, err := NewSecret(iotest.ErrReader(errors.New("broken"))); err == nil {
		t.Error("a secret of a broken source")
	}
}

// badSecrets are near misses, each of which would give most of a real secret away if an error quoted it.
var badSecrets = map[string]string{
	"empty":           "",
	"short":           base64.StdEncoding.EncodeToString(count[:31]),
	"long":            base64.StdEncoding.EncodeToString(append(count[:], 7)),
	"not base64":      "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh!=",
	"two lines":       "AAECAwQFBgcICQoL DA0ODxAREhMUFRYXGBkaGxwdHh8=",
	"hexadecimal":     hex.EncodeToString(count[:]),
	"URL-safe base64": strings.Repeat("-_", 21) + "A=",
	"words":           "correct horse battery staple",
}

func TestARefusedSecretIsNeverInTheError(t *testing.T) {
	for name, text := range badSecrets {
		_, err := ParseSecret(text)
		if !errors.Is(err, ErrSecret) {
			t.Errorf("%s: ParseSecret = %v, want ErrSecret", name, err)
			continue
		}
		mustNotShow(t, err.Error(), text)
	}
}

// mustNotShow fails the test if shown holds 6 characters in a row of hidden.
func mustNotShow(t *testing.T, shown, hidden string) {
	t.Helper()
	for i := 0; i+6 <= len(hidden); i++ {
		if strings.Contains(shown, hidden[i:i+6]) {
			t.Fatalf("%q shows %q", shown, hidden[i:i+6])
		}
	}
	if strings.Contains(shown, "\n") {
		t.Errorf("more than one line: %q", shown)
	}
}

func writeFile(t *testing.T, text string, mode fs.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // exactly, whatever the umask
		t.Fatal(err)
	}
	return path
}

func TestASecretFileThatOthersMayReadIsReportedAsExposed(t *testing.T) {
	for mode, want := range map[fs.FileMode]bool{0o600: false, 0o400: false, 0o640: true, 0o604: true, 0o644: true, 0o660: true} {
		s, exposed, err := ReadSecretFile(writeFile(t, Secret(count).Text()+"\n", mode))
		if err != nil || s != Secret(count) || exposed != want {
			t.Errorf("mode %o: exposed = %v, %v, want %v", mode, exposed, err, want)
		}
	}
}

func TestABadSecretFileIsNamedAndNotQuoted(t *testing.T) {
	for name, text := range badSecrets {
		path := writeFile(t, text, 0o600)
		_, _, err := ReadSecretFile(path)
		if !errors.Is(err, ErrSecret) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, want ErrSecret with the file's name", name, err)
			continue
		}
		mustNotShow(t, strings.ReplaceAll(err.Error(), path, ""), text)
	}
}

func TestAMissingSecretFileIsToldFromABadOne(t *testing.T) {
	_, _, err := ReadSecretFile(filepath.Join(t.TempDir(), "absent"))
	if !errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrSecret) {
		t.Errorf("err = %v", err)
	}
}

// TestDerivedKeysAreThoseOfTheWireFormat holds answers of another implementation of HKDF-SHA256 (RFC 5869): no salt, the
// labels as info. They may never change: nodes of two versions would not recognise each other.
func TestDerivedKeysAreThoseOfTheWireFormat(t *testing.T) {
	k := Secret(count).Derive()
	for name, c := range map[string]struct {
		got  []byte
		want string
	}{
		"cluster id": {k.ClusterID[:], "5ec72947869c82e273afe75c7d323ec8"},
		"gossip":     {k.Gossip[:], "b8bf2a674ff0086dffd97da8bdec7423eaa57d60644e698493615428dbea3a7f"},
		"stream":     {k.Stream[:], "9630901c5ee3e972827a0d1939afe8d758e370d7002447de783dcbd066bcb9f5"},
		"psk":        {k.PSK[:], "e3c5dfa9e9e80c8318efeeeaa82b9c16303e07d76df8866b02545724f7db44c4"},
		"mac":        {k.MAC[:], "52a42027c4975eff705566758d3914c7bbda54eeefe51e78c9db7e80ab0dcaad"},
		"token":      {k.Token[:], "76a53bac8b83a2c7eccf1a818db57a33ad22803da5bec9cb083923a28a8291af"},
	} {
		if got := hex.EncodeToString(c.got); got != c.want {
			t.Errorf("%s = %s, want %s", name, got, c.want)
		}
	}
}

func TestSecretsThatDifferInOneBitShareNoKey(t *testing.T) {
	other := Secret(count)
	other[31] ^= 1
	a, b := Secret(count).Derive(), other.Derive()
	if a.ClusterID == b.ClusterID || a.Gossip == b.Gossip || a.Stream == b.Stream || a.PSK == b.PSK || a.MAC == b.MAC || a.Token == b.Token {
		t.Error("a key is shared")
	}
}

func FuzzParseSecret(f *testing.F) {
	f.Add(Secret(count).Text())
	for _, text := range badSecrets {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSecret(text)
		if err != nil {
			if s != (Secret{}) || !errors.Is(err, ErrSecret) {
				t.Errorf("ParseSecret = %v with %v", s == Secret{}, err)
			}
			return
		}
		if again, err := ParseSecret(s.Text()); err != nil || again != s {
			t.Errorf("its own text reads as another secret: %v", err)
		}
	})
}
