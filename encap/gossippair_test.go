package encap

import (
	"bytes"
	"testing"

	"github.com/weftnet/weft/trust"
)

// testPair are the keys of one node with another.
func testPair(t testing.TB, own, peer *Local) *GossipPair {
	t.Helper()
	p, err := NewGossipPair(own.Identity, peer.Identity.Public())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAProofIsTakenOfTheSenderByTheReceiverAlone(t *testing.T) {
	a, b, c := testSealer(t, 1), testSealer(t, 2), testSealer(t, 3)
	ab, ba := testPair(t, a.local, b.local), testPair(t, b.local, a.local)
	frame := a.SealFor(ab, nil, []byte("gossip"), start)
	if len(frame) > GossipOverhead+6 {
		t.Errorf("%d bytes", len(frame))
	}
	h, err := b.Open(frame, start)
	if err != nil || string(h.Packet) != "gossip" || h.From != a.local.Identity.Fingerprint() || h.Undated() || !h.Proven() || !h.MadeBy(ba) {
		t.Errorf("%+v, %v", h, err)
	}
	for name, other := range map[string]*GossipPair{
		"another sender's": testPair(t, b.local, c.local), "another receiver's": testPair(t, c.local, a.local), "the other direction's": ab,
	} {
		if h.MadeBy(other) {
			t.Errorf("it is a proof under %s keys", name)
		}
	}
	if h, err := b.Open(a.Seal(nil, []byte("gossip"), start), start); err != nil || h.Proven() || h.MadeBy(ba) {
		t.Errorf("without a proof: %+v, %v", h, err)
	}
}

// Whoever has the cluster's secret can seal whatever it likes.
func TestWhoHasTheSecretForgesNoProof(t *testing.T) {
	a, b, thief := testSealer(t, 1), testSealer(t, 2), testSealer(t, 3)
	ab, ba := testPair(t, a.local, b.local), testPair(t, b.local, a.local)
	keys := thief.keys.at(thief.local.Ring, start)
	plain := a.stamped([]byte("gossip"))
	for bit := range 8 * (len(plain) + gossipProofLen) {
		frame := a.SealFor(ab, nil, []byte("gossip"), start)
		sealed, err := keys.seal.openFrame(frame)
		if err != nil {
			t.Fatal(err)
		}
		head := frame[:gossipHead]
		h, err := b.Open(keys.seal.aead.Seal(bytes.Clone(head), head[HeaderLen:], flip(sealed, bit), head), start)
		if err == nil && h.MadeBy(ba) {
			t.Errorf("bit %d flipped: %+v", bit, h)
		}
	}
	for n := range len(plain) {
		h, err := b.Open(thief.seal(nil, keys.seal, bytes.Clone(plain[:max(n, gossipFrom)]), testPair(t, thief.local, b.local)), start)
		if err == nil && h.MadeBy(ba) {
			t.Errorf("%d bytes in its name: %+v", n, h)
		}
	}
}

func TestAKeyThatHasNoSecretInCommonMakesNoPair(t *testing.T) {
	if p, err := NewGossipPair(testLocal(t, 1).Identity, trust.PublicKeys{}); err == nil {
		t.Errorf("%v", p)
	}
}

func BenchmarkSealFor(b *testing.B) {
	s := testSealer(b, 1)
	pair, frame, packet := testPair(b, s.local, testLocal(b, 2)), make([]byte, 0, 2048), make([]byte, 1000)
	for name, seal := range map[string]func(){
		"without a proof": func() { s.Seal(frame, packet, start) }, "with a proof": func() { s.SealFor(pair, frame, packet, start) },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				seal()
			}
		})
	}
}
