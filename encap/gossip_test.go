package encap

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/weftnet/weft/trust"
)

// testSealer is the sealer of the node of a seed, in the cluster of secret 1 or with the secrets named.
func testSealer(t testing.TB, seed byte, secrets ...byte) *GossipSealer {
	t.Helper()
	l := testLocal(t, seed)
	if len(secrets) > 0 {
		l.Ring = ringOf(secrets...)
	}
	return NewGossipSealer(l, trust.BootNonce{seed}, Stamps(7))
}

func TestGossipOpensInTheClusterAndNamesItsSender(t *testing.T) {
	a, b := testSealer(t, 1), testSealer(t, 2)
	for name, seal := range map[string]func(dst, packet []byte, now time.Time) []byte{"dated": a.Seal, "undated": a.SealUndated} {
		frame := seal(nil, []byte("gossip"), start)
		if len(frame) > GossipOverhead+6 || bytes.Contains(frame, []byte("gossip")) {
			t.Errorf("%s: frame of %d bytes, or in clear", name, len(frame))
		}
		h, err := b.Open(frame, start)
		if err != nil || h.From != a.local.Identity.Fingerprint() || h.Boot != (trust.BootNonce{1}) || string(h.Packet) != "gossip" {
			t.Errorf("%s: %+v, %v", name, h, err)
		}
		if h.Undated() != (name == "undated") {
			t.Errorf("%s: stamp %v", name, h.Stamp)
		}
		if again := seal([]byte("x"), []byte("gossip"), start); bytes.Equal(again[1:], frame) || again[0] != 'x' {
			t.Errorf("%s: the same packet sealed twice gives the same frame, or the buffer's beginning is lost", name)
		}
	}
}

func TestGossipOfStrangersAndForgedGossipIsRefused(t *testing.T) {
	b := testSealer(t, 2)
	if _, err := b.Open(testSealer(t, 1, 2).Seal(nil, []byte("gossip"), start), start); !errors.Is(err, ErrAuth) {
		t.Errorf("another cluster: %v", err)
	}
	a := testSealer(t, 1)
	for _, frame := range [][]byte{a.Seal(nil, []byte("gossip"), start), a.SealUndated(nil, []byte("gossip"), start)} {
		for bit := range 8 * len(frame) {
			if _, err := b.Open(flip(frame, bit), start); err == nil || errors.As(err, new(*GossipClockError)) {
				t.Errorf("bit %d flipped: %v", bit, err)
			}
		}
		for n := range len(frame) {
			if _, err := b.Open(bytes.Clone(frame[:n]), start); err == nil {
				t.Errorf("opens with %d of %d bytes", n, len(frame))
			}
		}
	}
}

func TestEachDayAndEachSecretHasAGossipKeyOfItsOwn(t *testing.T) {
	seen := map[uint32]bool{}
	for secret := byte(1); secret <= 2; secret++ {
		for day := range 3 {
			frame := testSealer(t, 1, secret).Seal(nil, nil, start.AddDate(0, 0, day))
			h, err := ParseHeader(frame)
			if err != nil || h.Index>>31 != 1 || seen[h.Index] {
				t.Errorf("secret %d, day %d: index %x, %v", secret, day, h.Index, err)
			}
			seen[h.Index] = true
		}
	}
	keys := testKeys(1)
	if got := gossipIndex(&keys, 20454); got&0xffff != 20454 {
		t.Errorf("index %x", got)
	}
}

// The answer of another implementation of HKDF-Expand and AES-256-GCM (Python's hmac and cryptography).
func TestGossipKeyOfAnEpochIsThatOfTheWireFormat(t *testing.T) {
	keys := testKeys(1)
	k := newGossipKey(&keys, 20454)
	got := hex.EncodeToString(k.aead.Seal(nil, make([]byte, gossipNonceLen), []byte("gossip"), nil))
	if want := "ca1f7c1a06bb96d95b2cf6dc10948dcc17e4295eba71"; got != want {
		t.Errorf("sealed as %s, want %s", got, want)
	}
}

func TestGossipOfADayAroundOursIsTakenAndOtherDaysAreNamed(t *testing.T) {
	a, b := testSealer(t, 1), testSealer(t, 2)
	for days := -40; days <= 40; days++ {
		h, err := b.Open(a.Seal(nil, []byte("x"), start.AddDate(0, 0, days)), start)
		if -1 <= days && days <= 1 {
			if err != nil || h.From != a.local.Identity.Fingerprint() {
				t.Errorf("%d days off: %v", days, err)
			}
			continue
		}
		var off *GossipClockError
		if !errors.As(err, &off) || off.Days != days || off.From != a.local.Identity.Fingerprint() {
			t.Errorf("%d days off: %v", days, err)
		}
	}
}

func TestGossipWhileSecretsChange(t *testing.T) {
	for name, c := range map[string]struct {
		from, to []byte
		opens    bool
	}{
		"the receiver has the new one second": {[]byte{2, 1}, []byte{1, 2}, true},
		"the sender still uses the old one":   {[]byte{1, 2}, []byte{2, 1}, true},
		"the receiver has dropped the old":    {[]byte{1}, []byte{2}, false},
		"the receiver did not hear of it":     {[]byte{2}, []byte{1}, false},
	} {
		a, b := testSealer(t, 1, c.from...), testSealer(t, 2, c.to...)
		for _, frame := range [][]byte{a.Seal(nil, []byte("x"), start), a.SealUndated(nil, []byte("x"), start)} {
			if _, err := b.Open(frame, start); (err == nil) != c.opens {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	a, b := testSealer(t, 1), testSealer(t, 2)
	frame := a.Seal(nil, []byte("x"), start)
	if _, err := b.Open(frame, start); err != nil {
		t.Fatal(err)
	}
	b.local.Ring.Set(testKeys(2))
	if _, err := b.Open(frame, start); !errors.Is(err, ErrAuth) {
		t.Errorf("under a secret that was dropped: %v", err)
	}
}

func TestGossipWithoutRandomnessIsNotSealed(t *testing.T) {
	g := testSealer(t, 1)
	g.local.Rand = bytes.NewReader([]byte{1, 2})
	if frame := g.Seal(nil, []byte("x"), start); frame != nil {
		t.Errorf("%x", frame)
	}
}

func TestOneSendersHearsayIsTakenOnceAndNotOfAnEarlierRun(t *testing.T) {
	var w HearsayWindow
	for i, c := range []struct {
		stamp Stamp
		want  bool
	}{
		{Stamp{5, 10}, true}, {Stamp{5, 10}, false}, {Stamp{5, 12}, true}, {Stamp{5, 11}, true}, {Stamp{5, 11}, false},
		{Stamp{4, 99}, false}, {Stamp{6, 1}, true}, {Stamp{5, 13}, false}, {Stamp{6, 1}, false},
		{Stamp{6, 2 * WindowSize}, true}, {Stamp{6, 2}, false}, {Stamp{6, math.MaxUint64 - 1}, true},
	} {
		if got := w.Take(c.stamp); got != c.want {
			t.Errorf("step %d: %v taken %v, want %v", i, c.stamp, got, c.want)
		}
	}
}
