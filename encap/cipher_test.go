package encap

import (
	"errors"
	"slices"
	"testing"
)

func TestPreferredCiphersAreAllOfThem(t *testing.T) {
	for _, fast := range []bool{true, false} {
		list := preferredCiphers(fast)
		slices.Sort(list)
		if !slices.Equal(slices.Compact(list), bothCiphers) {
			t.Errorf("%v", list)
		}
	}
}

func TestAPairUsesAESOnlyIfBothAreGoodAtIt(t *testing.T) {
	before := []Cipher{CipherChaCha20Poly1305, CipherAES256GCM} // what builds list that name none twice
	aes, chacha := []Cipher{CipherAES256GCM}, []Cipher{CipherChaCha20Poly1305}
	fast, slow := preferredCiphers(true), preferredCiphers(false)
	for _, c := range []struct {
		a, b []Cipher
		want Cipher
	}{
		{fast, fast, CipherAES256GCM}, {fast, slow, CipherChaCha20Poly1305}, {slow, slow, CipherChaCha20Poly1305},
		{fast, before, CipherAES256GCM}, {slow, before, CipherChaCha20Poly1305},
		{fast, chacha, CipherChaCha20Poly1305}, {slow, aes, CipherAES256GCM}, {slow, chacha, CipherChaCha20Poly1305},
	} {
		for _, pair := range [][2][]Cipher{{c.a, c.b}, {c.b, c.a}} {
			if got, ok := agreeCipher(pair[0], pair[1]); !ok || got != c.want {
				t.Errorf("%v and %v: %v, want %v", pair[0], pair[1], got, c.want)
			}
		}
	}
	if _, ok := agreeCipher(aes, chacha); ok {
		t.Error("two that are forced to different ones agree")
	}
}

func TestForcedCiphersThatDifferAreNamed(t *testing.T) {
	a, b := testSettings(), testSettings()
	a.Ciphers, b.Ciphers = []Cipher{CipherAES256GCM}, preferredCiphers(false)[:2]
	var mismatch *MismatchError
	if _, err := a.Agree(b); !errors.As(err, &mismatch) || *mismatch != (MismatchError{Field: "cipher", Ours: "AES-256-GCM", Theirs: "ChaCha20-Poly1305"}) {
		t.Errorf("%v", err)
	}
}
