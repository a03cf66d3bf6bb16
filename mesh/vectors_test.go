package mesh

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/weftnet/weft/trust"
	"github.com/weftnet/weft/trust/vectors"
)

// The known answers of what travels in gossip. Package vectors says how they are kept and checked.

// claimVector is a claim; those who made it say with which key, and what they put into it stands in testContent.
type claimVector struct {
	Seed        vectors.Hex `json:"seed"`
	Fingerprint vectors.Hex `json:"fingerprint"`
	Body        vectors.Hex `json:"body"`
	Signature   vectors.Hex `json:"signature"`
	Claim       vectors.Hex `json:"claim"`
	Digest      vectors.Hex `json:"digest"`
}

var vectorSeed = vectors.Count(0x40, 32)

func vectorIdentity(t testing.TB) *trust.Identity {
	t.Helper()
	id, err := trust.NewIdentity(vectorSeed)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestVectorsOfAClaim(t *testing.T) {
	id := vectorIdentity(t)
	c, err := Sign(id, testContent())
	if err != nil {
		t.Fatal(err)
	}
	fingerprint := id.Fingerprint()
	v := vectors.Check(t, "claim", claimVector{
		Seed: vectorSeed, Fingerprint: fingerprint[:], Body: c.raw[signatureLen:], Signature: c.raw[:signatureLen], Claim: c.raw,
		Digest: c.digest[:],
	})
	dh, sign := again(v.Seed)
	digest := sha256.Sum256(v.Claim)
	vectors.Equal(t, "body", v.Body, vectors.CBOR(claimMap(dh, sign.Public().(ed25519.PublicKey))))
	vectors.Equal(t, "signature", v.Signature, ed25519.Sign(sign, append([]byte("weft 1 claim\x00"), v.Body...)))
	vectors.Equal(t, "claim", v.Claim, slices.Concat(v.Signature, v.Body))
	vectors.Equal(t, "digest", v.Digest, digest[:])
}

// again makes the keys of a seed a second time.
func again(seed []byte) (dh []byte, sign ed25519.PrivateKey) {
	return vectors.PublicKey(vectors.HKDF(seed, "weft 1 node dh", 32)), ed25519.NewKeyFromSeed(vectors.HKDF(seed, "weft 1 node sign", 32))
}

// claimMap is testContent in CBOR.
func claimMap(dh, sign []byte) vectors.Map {
	prefixes := func(list ...string) (out []any) {
		for _, p := range list {
			out = append(out, vectors.Prefix(netip.MustParsePrefix(p)))
		}
		return out
	}
	endpoints := []any{
		vectors.AddrPort(netip.MustParseAddrPort("192.0.2.1:9338")), vectors.AddrPort(netip.MustParseAddrPort("[2001:db8::1]:9338")),
	}
	return vectors.Map{
		{Key: 1, Value: dh}, {Key: 2, Value: sign}, {Key: 3, Value: uint64(7)}, {Key: 4, Value: "vm-1"}, {Key: 5, Value: uint64(1)},
		{Key: 6, Value: prefixes("10.244.0.0/16", "fd00:244::/48")}, {Key: 7, Value: prefixes("10.244.1.0/24", "fd00:244:0:1::/64")},
		{Key: 8, Value: prefixes("172.16.0.0/24")}, {Key: 9, Value: endpoints}, {Key: 10, Value: uint64(1500)},
		{Key: 11, Value: []byte{1, 3}}, {Key: 12, Value: uint64(5)}, {Key: 13, Value: uint64(1_700_000_000_123)},
		{Key: 14, Value: prefixes("172.16.0.0/24")},
	}
}

// messageVector are the other things that gossip carries.
type messageVector struct {
	Seed        vectors.Hex `json:"seed"`
	Boot        vectors.Hex `json:"boot"`
	Name        string      `json:"name"`    // in memberlist
	Address     string      `json:"address"` // likewise; it means nothing
	Meta        vectors.Hex `json:"meta"`    // two endpoints
	Departure   vectors.Hex `json:"departure"`
	Announce    vectors.Hex `json:"announce"` // of the departure's bytes, as if they were a claim
	State       vectors.Hex `json:"state"`    // with a departure alone
	DepartureAt uint64      `json:"departure_at"`
}

func TestVectorsOfMessages(t *testing.T) {
	id, boot := vectorIdentity(t), trust.BootNonce(vectors.Count(1, 8))
	name := memberName{id.Fingerprint(), boot}
	d := signDeparture(id, boot, 1_700_000_000_123)
	s := state{departures: []departure{d}}
	announce := message(messageAnnounce, notice{id: name.id, digest: digestOf(d.raw), by: name}.append(nil))
	v := vectors.Check(t, "messages", messageVector{
		Seed: vectorSeed, Boot: boot[:], Name: name.String(), Address: syntheticIP(name.id).String(),
		Meta:      encodeMeta(testContent().Endpoints),
		Departure: message(messageDeparture, d.raw), Announce: announce, State: s.encode(time.Time{}), DepartureAt: d.at,
	})
	dh, sign := again(v.Seed)
	fingerprint := sha256.Sum256(slices.Concat(dh, sign.Public().(ed25519.PublicKey)))
	body := binary.BigEndian.AppendUint64(slices.Concat(fingerprint[:], v.Boot), v.DepartureAt)
	body = append(body, ed25519.Sign(sign, append([]byte("weft 1 departure\x00"), body...))...)
	digest := sha256.Sum256(body)
	if want := hex.EncodeToString(fingerprint[:]) + "-" + hex.EncodeToString(v.Boot); v.Name != want {
		t.Errorf("the name is %s, and again %s", v.Name, want)
	}
	if want := netip.AddrFrom16([16]byte(append([]byte{0xfd}, fingerprint[:15]...))).String(); v.Address != want {
		t.Errorf("the address is %s, and again %s", v.Address, want)
	}
	vectors.Equal(t, "meta", v.Meta, vectors.CBOR(claimMap(nil, nil)[8].Value))
	vectors.Equal(t, "departure", v.Departure, append([]byte{4}, body...))
	vectors.Equal(t, "announce", v.Announce, slices.Concat([]byte{2}, fingerprint[:], digest[:], fingerprint[:], v.Boot))
	vectors.Equal(t, "state", v.State, slices.Concat([]byte{1, 4}, binary.BigEndian.AppendUint32(nil, uint32(len(body))), body))
}

// awayVector is what gossip carries about nodes that are away or were replaced.
type awayVector struct {
	Seed        vectors.Hex `json:"seed"` // of who signs
	Forgotten   vectors.Hex `json:"forgotten"`
	Version     uint64      `json:"version"`
	At          uint64      `json:"at"`
	Tombstone   vectors.Hex `json:"tombstone"`
	Age         uint64      `json:"age"` // in seconds
	Sighting    vectors.Hex `json:"sighting"`
	Heir        vectors.Hex `json:"heir"`
	Predecessor vectors.Hex `json:"predecessor"`
}

func TestVectorsOfNodesThatAreAwayOrReplaced(t *testing.T) {
	id := vectorIdentity(t)
	forgotten, heir := trust.Fingerprint(vectors.Count(0x60, 32)), trust.Fingerprint(vectors.Count(0x80, 32))
	now := time.Unix(100, 0)
	v := vectors.Check(t, "away", awayVector{
		Seed: vectorSeed, Forgotten: forgotten[:], Version: 7, At: 1_700_000_000_123,
		Tombstone: message(messageForget, signTombstone(id, forgotten, 7, 1_700_000_000_123).raw),
		Age:       90, Sighting: message(messageSighting, sighting{forgotten, now.Add(-90 * time.Second)}.append(nil, now)),
		Heir: heir[:], Predecessor: bequeath(id, heir).raw,
	})
	dh, sign := again(v.Seed)
	public := slices.Concat(dh, sign.Public().(ed25519.PublicKey))
	fingerprint := sha256.Sum256(public)
	body := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(slices.Clone(v.Forgotten), v.Version), v.At)
	body = append(body, fingerprint[:]...)
	stone := append(body, ed25519.Sign(sign, append([]byte("weft 1 forget\x00"), body...))...)
	vectors.Equal(t, "tombstone", v.Tombstone, append([]byte{7}, stone...))
	vectors.Equal(t, "sighting", v.Sighting, binary.BigEndian.AppendUint32(append([]byte{8}, v.Forgotten...), uint32(v.Age)))
	word := ed25519.Sign(sign, slices.Concat([]byte("weft 1 succession\x00"), fingerprint[:], v.Heir))
	vectors.Equal(t, "predecessor", v.Predecessor, append(public, word...))
}
