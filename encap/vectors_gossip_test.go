package encap

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/weftnet/weft/trust"
	"github.com/weftnet/weft/trust/vectors"
)

// gossipVector is a gossip frame.
type gossipVector struct {
	Secret vectors.Hex `json:"secret"`
	Time   string      `json:"time"`
	Day    int64       `json:"day"` // since 1970; of the key. -1: the key that never changes
	Key    vectors.Hex `json:"key"`
	Index  uint32      `json:"index"`
	From   vectors.Hex `json:"from"`
	Boot   vectors.Hex `json:"boot"`
	Stamp  *Stamp      `json:"stamp,omitempty"`
	Nonce  vectors.Hex `json:"nonce"`
	Packet vectors.Hex `json:"packet"`
	Frame  vectors.Hex `json:"frame"`
}

func TestVectorsOfGossipFrames(t *testing.T) {
	l, boot, packet := vectorLocal(t, 1, 0x30), trust.BootNonce(vectors.Count(dialerBoot, 8)), []byte("a packet of memberlist")
	from, secret := l.Identity.Fingerprint(), vectors.Count(0, trust.SecretLen)
	now := time.Date(2026, 1, 1, 23, 59, 59, 0, time.UTC)
	g := NewGossipSealer(l, boot, func() Stamp { return Stamp{Epoch: 1_700_000_000_123, Seq: 7} })
	list := []gossipVector{
		{Day: 20454, Stamp: &Stamp{Epoch: 1_700_000_000_123, Seq: 7}, Nonce: vectors.Count(0x30, 12), Frame: g.Seal(nil, packet, now)},
		{Day: -1, Nonce: vectors.Count(0x3c, 12), Frame: g.SealUndated(nil, packet, now)},
	}
	for i := range list {
		v := &list[i]
		v.Secret, v.Time, v.From, v.Boot, v.Packet = secret, now.Format(time.RFC3339), from[:], boot[:], packet
		v.Index = binary.BigEndian.Uint32(v.Frame[4:])
		v.Key = gossipKeyAgain(v.Secret, v.Day) // the code has it only inside of its cipher
		if h, err := g.Open(v.Frame, now); err != nil || string(h.Packet) != string(packet) {
			t.Errorf("%+v, %v", h, err)
		}
	}
	for _, v := range vectors.Check(t, "gossip", list) {
		vectors.Equal(t, "frame", v.Frame, v.again(t))
	}
}

// pairVector is a gossip frame with a proof.
type pairVector struct {
	Private vectors.Hex `json:"senders_x25519_private_key"`
	Public  vectors.Hex `json:"receivers_x25519_public_key"`
	From    vectors.Hex `json:"from"`
	To      vectors.Hex `json:"to"`
	Key     vectors.Hex `json:"key"`
	Head    vectors.Hex `json:"header_and_nonce"`
	Plain   vectors.Hex `json:"sealed_before_the_proof"`
	Proof   vectors.Hex `json:"proof"`
	Frame   vectors.Hex `json:"frame"`
}

func TestVectorsOfGossipFramesWithAProof(t *testing.T) {
	a, b := vectorLocal(t, 1, 0x30), vectorLocal(t, 2, 0x30)
	out, err := NewGossipPair(a.Identity, b.Identity.Public())
	if err != nil {
		t.Fatal(err)
	}
	in, err := NewGossipPair(b.Identity, a.Identity.Public())
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	sealer := NewGossipSealer(a, trust.BootNonce(vectors.Count(dialerBoot, 8)), func() Stamp { return Stamp{Epoch: 1_700_000_000_123, Seq: 7} })
	frame := sealer.SealFor(out, nil, []byte("a packet of memberlist"), now)
	h, err := NewGossipSealer(b, trust.BootNonce{}, nil).Open(frame, now)
	if err != nil || !h.MadeBy(in) {
		t.Fatalf("%+v, %v", h, err)
	}
	private, public, from, to := a.Identity.DHPrivate(), b.Identity.Public(), a.Identity.Fingerprint(), b.Identity.Fingerprint()
	v := vectors.Check(t, "gossip-pair", pairVector{
		Private: private[:], Public: public.DH[:], From: from[:], To: to[:], Key: out.out[:], Head: h.head, Plain: h.plain, Proof: h.proof, Frame: frame,
	})
	shared := vectors.DH(v.Private, v.Public)
	vectors.Equal(t, "key", v.Key, vectors.Expand(vectors.HMAC(slices.Concat(v.From, v.To), shared), "weft 1 gossip pair", 32))
	vectors.Equal(t, "proof", v.Proof, vectors.HMAC(v.Key, slices.Concat(v.Head, v.Plain))[:16])
	day := gossipKeyAgain(vectors.Count(0, trust.SecretLen), 20454)
	vectors.Equal(t, "frame", v.Frame, append(slices.Clone(v.Head), vectors.SealAES(day, v.Head[8:], slices.Concat(v.Plain, v.Proof), v.Head)...))
}

// gossipKeyAgain is the key of a day in the second implementation.
func gossipKeyAgain(secret []byte, day int64) []byte {
	key := vectors.HKDF(secret, "weft 1 gossip", 32)
	if day < 0 {
		return key
	}
	return vectors.Expand(key, fmt.Sprintf("weft 1 gossip epoch %d", day), 32)
}

func (v *gossipVector) again(t *testing.T) []byte {
	t.Helper()
	index, plain := uint32(0), slices.Concat(v.From, v.Boot)
	if v.Stamp != nil {
		at, err := time.Parse(time.RFC3339, v.Time)
		if err != nil {
			t.Fatal(err)
		}
		if days := at.Unix() / 86400; days != v.Day {
			t.Errorf("%s is day %d", v.Time, days)
		}
		id := vectors.HKDF(v.Secret, "weft 1 cluster id", 16)
		index = 1<<31 | uint32(binary.BigEndian.Uint16(id))>>1<<16 | uint32(v.Day)&0xffff
		plain = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(plain, v.Stamp.Epoch), v.Stamp.Seq)
	}
	head := append(binary.BigEndian.AppendUint32([]byte{0x16, 0, 0, 0}, index), v.Nonce...)
	return append(head, vectors.SealAES(v.Key, v.Nonce, append(plain, v.Packet...), head)...)
}

func TestVectorsOfSecretOffers(t *testing.T) {
	next := vectors.Count(1, 32)
	old, name := vectors.Count(0, 16), vectors.HKDF(next, "weft 1 cluster id", 16)
	vectors.Equal(t, "offer", testOffer().Append(nil), vectors.CBOR(vectors.Map{
		{Key: 1, Value: uint64(9)}, {Key: 2, Value: uint64(1)}, {Key: 3, Value: old}, {Key: 4, Value: name}, {Key: 5, Value: next},
	}))
	vectors.Equal(t, "question", SecretOffer{ID: 9}.Append(nil), vectors.CBOR(vectors.Map{
		{Key: 1, Value: uint64(9)}, {Key: 2, Value: uint64(0)},
	}))
	vectors.Equal(t, "answer", SecretAnswer{ID: 9, Status: SecretOther, Held: []trust.SecretID{trust.SecretID(old)}, Reason: "no"}.Append(nil),
		vectors.CBOR(vectors.Map{
			{Key: 1, Value: uint64(9)}, {Key: 2, Value: uint64(2)}, {Key: 3, Value: []any{old}}, {Key: 4, Value: "no"},
		}))
}
