package vectors

import (
	"bytes"
	"encoding/hex"
	"os/exec"
	"strings"
	"testing"
)

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestThePrimitivesAreThoseOfTheirSpecifications takes the examples of the specifications themselves.
func TestThePrimitivesAreThoseOfTheirSpecifications(t *testing.T) {
	const sunscreen = "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it."
	data := unhex(t, "50515253c0c1c2c3c4c5c6c7")
	chacha := SealChaCha(Count(0x80, 32), unhex(t, "070000004041424344454647"), []byte(sunscreen), data)
	xchacha := SealXChaCha(Count(0x80, 32), Count(0x40, 24), []byte(sunscreen), data)
	for name, c := range map[string]struct {
		got  []byte
		want string
	}{
		"BLAKE2s of abc (RFC 7693, appendix B)": {blake(nil, []byte("abc")), "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982"},
		"HKDF (RFC 5869, test case 3)": {
			HKDF(bytes.Repeat([]byte{0x0b}, 22), "", 42),
			"8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
		},
		"HMAC (RFC 4231, test case 2)": {
			HMAC([]byte("Jefe"), []byte("what do ya want for nothing?")), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
		},
		"ChaCha20-Poly1305 (RFC 8439, section 2.8.2)":            {chacha[len(chacha)-16:], "1ae10b594f09e26a7e902ecbd0600691"},
		"XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03, A.3.1)": {xchacha[len(xchacha)-16:], "c0875924c1c7987947deafd8780acf49"},
	} {
		if hex.EncodeToString(c.got) != c.want {
			t.Errorf("%s: %x, want %s", name, c.got, c.want)
		}
	}
}

func TestCBORIsThatOfItsSpecification(t *testing.T) {
	got := CBOR(Map{{1, uint64(23)}, {24, []any{"weft", []byte{1}, true, uint64(1000), uint64(1 << 32)}}})
	if hex.EncodeToString(got) != "a201171818856477656674"+"4101"+"f5"+"1903e8"+"1b0000000100000000" {
		t.Errorf("%x", got)
	}
}

func TestNoProgramHasThisPackage(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "../../cmd/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(out), "weft/trust\n") || strings.Contains(string(out), "trust/vectors") {
		t.Error("a program depends on the code of the known answers")
	}
}
