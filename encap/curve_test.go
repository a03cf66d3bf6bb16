package encap

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/flynn/noise"

	"github.com/weftnet/weft/trust/vectors"
)

func TestACurveGivesWhatTheLibrarysDoes(t *testing.T) {
	x, y := pair(t)
	c := newCurve(x.local.Identity)
	static, peer := x.local.Identity.DHPrivate(), y.local.Identity.Public().DH
	seed := bytes.Repeat([]byte{7}, 32)
	made, err := c.GenerateKeypair(bytes.NewReader(seed))
	if err != nil {
		t.Fatal(err)
	}
	want, err := noise.DH25519.GenerateKeypair(bytes.NewReader(seed))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(made.Private, want.Private) || !bytes.Equal(made.Public, want.Public) {
		t.Error("another key pair than the library's")
	}
	for name, private := range map[string][]byte{"static": static[:], "ephemeral": seed, "another": bytes.Repeat([]byte{8}, 32)} {
		got, err := c.DH(private, peer[:])
		if err != nil || !bytes.Equal(got, vectors.DH(private, peer[:])) {
			t.Errorf("%s key: another secret than RFC 7748 has, %v", name, err)
		}
	}
}

// The points of small order (RFC 7748, section 6.1), of which the secret would be zero whatever our key is.
func TestACurveRefusesPointsOfLowOrder(t *testing.T) {
	x, _ := pair(t)
	c := newCurve(x.local.Identity)
	made, err := c.GenerateKeypair(nil)
	if err != nil {
		t.Fatal(err)
	}
	static := x.local.Identity.DHPrivate()
	minusOne := bytes.Repeat([]byte{0xff}, 32) // 2^255-20, the prime less one
	minusOne[0], minusOne[31] = 0xec, 0x7f
	for _, point := range [][]byte{make([]byte, 32), append([]byte{1}, make([]byte, 31)...), minusOne} {
		for _, private := range [][]byte{static[:], made.Private} {
			if secret, err := c.DH(private, point); err == nil {
				t.Errorf("%x gives %x", point, secret)
			}
		}
	}
}

func TestACurveNeedsWholeKeys(t *testing.T) {
	x, y := pair(t)
	c := newCurve(x.local.Identity)
	peer := y.local.Identity.Public().DH
	if _, err := c.GenerateKeypair(bytes.NewReader(make([]byte, 31))); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("31 random bytes: %v", err)
	}
	if _, err := c.DH(make([]byte, 31), peer[:]); err == nil {
		t.Error("a private key of 31 bytes was taken")
	}
	if _, err := c.DH(make([]byte, 32), peer[:31]); err == nil {
		t.Error("a public key of 31 bytes was taken")
	}
}
