package encap

import (
	"bytes"
	"slices"
	"testing"

	"github.com/weftnet/weft/trust"
	"github.com/weftnet/weft/trust/vectors"
)

func testOffer() SecretOffer {
	next := trust.Secret(vectors.Count(1, trust.SecretLen))
	return SecretOffer{ID: 9, Phase: SecretAdd, Old: trust.SecretID(vectors.Count(0, 16)), New: next.ID(), Secret: next}
}

func FuzzParseSecretOffer(f *testing.F) {
	f.Add(testOffer().Append(nil))
	f.Add(SecretOffer{ID: 9}.Append(nil))
	f.Fuzz(func(t *testing.T, raw []byte) {
		o, err := ParseSecretOffer(raw)
		if err != nil {
			return
		}
		if o.Secret != (trust.Secret{}) && o.Secret.ID() != o.New {
			t.Error("a secret of another name is taken")
		}
		if again, err := ParseSecretOffer(o.Append(nil)); err != nil || again.ID != o.ID || again.Secret != o.Secret || !bytes.Equal(again.Signed, o.Signed) {
			t.Errorf("an offer becomes another one, %v", err)
		}
	})
}

func FuzzParseSecretAnswer(f *testing.F) {
	f.Add(SecretAnswer{ID: 9, Held: []trust.SecretID{{1}, {2}}}.Append(nil))
	f.Add(SecretAnswer{ID: 9, Status: SecretRefused, Reason: "no\x1b"}.Append(nil))
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, err := ParseSecretAnswer(raw)
		if err != nil {
			return
		}
		again, err := ParseSecretAnswer(a.Append(nil))
		if err != nil || again.ID != a.ID || !slices.Equal(again.Held, a.Held) || again.Reason != a.Reason {
			t.Errorf("%+v becomes %+v, %v", a, again, err)
		}
	})
}

// FuzzGossip gives a node gossip frames that a member has sealed under a key of the day, and others.
func FuzzGossip(f *testing.F) {
	l := testLocal(f, 1)
	g := NewGossipSealer(l, trust.BootNonce{1}, Stamps(1))
	pair, err := NewGossipPair(l.Identity, testLocal(f, 2).Identity.Public())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(make([]byte, gossipFrom+gossipStampLen), uint32(0))
	f.Add(bytes.Repeat([]byte{0xff}, gossipFrom+gossipStampLen+5), uint32(1))
	f.Add([]byte{}, uint32(2))
	f.Fuzz(func(t *testing.T, plain []byte, key uint32) {
		keys := g.keys.at(l.Ring, start)
		k := keys.open[int(key)%len(keys.open)]
		if h, err := g.Open(g.seal(nil, k, bytes.Clone(plain), pair), start); err == nil && !h.Undated() && (!bytes.Contains(plain, h.Packet) || h.MadeBy(pair)) {
			t.Errorf("proven to another: %x says %+v", plain, h)
		}
		h, err := g.Open(g.seal(nil, k, plain, nil), start)
		switch {
		case err != nil:
		case h.Proven():
			t.Errorf("%x is proven", plain)
		case len(plain) < gossipFrom || !bytes.HasSuffix(plain, h.Packet) || !bytes.HasPrefix(plain, h.From[:]):
			t.Errorf("%x says %+v", plain, h)
		case (k.index == gossipUndated) != h.Undated():
			t.Errorf("a frame under key %d has the stamp %v", k.index, h.Stamp)
		}
	})
}
