package encap

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"github.com/weftnet/weft/trust/vectors"
)

// handshakeVector is a whole handshake: the responder, which is under load, asks for a proof of the initiator's address, and answers
// the second initiation.
type handshakeVector struct {
	Secret             vectors.Hex `json:"secret"`
	InitiatorSeed      vectors.Hex `json:"initiator_seed"`
	ResponderSeed      vectors.Hex `json:"responder_seed"`
	InitiatorRandom    vectors.Hex `json:"initiator_random"` // index and ephemeral key of each initiation
	ResponderRandom    vectors.Hex `json:"responder_random"` // key and nonce of the cookie; index, ephemeral key
	From               string      `json:"from"`             // where the initiations come from
	FirstPayload       vectors.Hex `json:"first_payload"`
	SecondPayload      vectors.Hex `json:"second_payload"`
	ResponsePayload    vectors.Hex `json:"response_payload"`
	Initiation         vectors.Hex `json:"initiation"`
	CookieFrame        vectors.Hex `json:"cookie_frame"`
	InitiationProved   vectors.Hex `json:"initiation_with_cookie"`
	Response           vectors.Hex `json:"response"`
	InitiatorRoot      vectors.Hex `json:"root_of_initiators_messages"`
	ResponderRoot      vectors.Hex `json:"root_of_responders_messages"`
	Confirmation       vectors.Hex `json:"confirmation"` // a probe of the initiator's
	ConfirmationPlain  vectors.Hex `json:"confirmation_plain"`
	RespondersFirst    vectors.Hex `json:"responders_first"` // a data frame
	RespondersFirstRaw vectors.Hex `json:"responders_first_packet"`
}

func TestVectorsOfAHandshake(t *testing.T) {
	v := vectors.Check(t, "handshake", shakeHands(t))
	h := v.again()
	vectors.Equal(t, "first initiation", v.Initiation, h.initiation(0, v.FirstPayload))
	vectors.Equal(t, "cookie", v.CookieFrame, h.cookie(v.Initiation))
	vectors.Equal(t, "second initiation", v.InitiationProved, h.initiation(1, v.SecondPayload))
	vectors.Equal(t, "response", v.Response, h.response(v.ResponsePayload))
	initiator, responder := h.noise.Split()
	vectors.Equal(t, "root of the initiator's messages", v.InitiatorRoot, initiator)
	vectors.Equal(t, "root of the responder's messages", v.ResponderRoot, responder)
	frame := func(head []byte, root []byte, label string, plain []byte) []byte {
		head = append(head, make([]byte, CounterLen)...)
		return append(slices.Clone(head), vectors.SealAES(vectors.Expand(root, label, 32), head[4:], plain, head)...)
	}
	vectors.Equal(t, "confirmation", v.Confirmation,
		frame(slices.Concat([]byte{0x15, 0, 0, 0}, h.responder.index), initiator, "weft 1 control cipher 1", v.ConfirmationPlain))
	vectors.Equal(t, "data frame", v.RespondersFirst,
		frame(slices.Concat([]byte{0x14, 0, 0, 0}, h.initiators[1].index), responder, "weft 1 data lane 0 cipher 1", v.RespondersFirstRaw))
}

// shakeHands has two nodes whose randomness counts up do a handshake.
func shakeHands(t *testing.T) (v handshakeVector) {
	t.Helper()
	a, b := vectorLocal(t, 1, 0x10), vectorLocal(t, 2, 0x80)
	v = handshakeVector{
		Secret: vectors.Count(0, 32), InitiatorSeed: bytes.Repeat([]byte{1}, 32), ResponderSeed: bytes.Repeat([]byte{2}, 32),
		InitiatorRandom: vectors.Count(0x10, 72), ResponderRandom: vectors.Count(0x80, 92), From: caller.String(),
	}
	na, nb, cookies := newNode(a, b, 1_700_000_000_123), newNode(b, a, 1), NewCookies(b)
	v.Initiation = na.initiation(t, start)
	reply, err := cookies.Reply(nil, marked(t, b, v.Initiation), caller, start)
	if err != nil {
		t.Fatal(err)
	}
	v.CookieFrame = bytes.Clone(reply)
	if again, err := na.TakeCookie(reply, start); err != nil || !again {
		t.Fatalf("the cookie is not taken: %v", err)
	}
	v.InitiationProved = na.initiation(t, start)
	if !cookies.Proves(v.InitiationProved, caller, start) {
		t.Fatal("the cookie proves nothing")
	}
	if v.Response, err = nb.answer(t, bytes.Clone(v.InitiationProved), start); err != nil {
		t.Fatal(err)
	}
	if err := na.Complete(bytes.Clone(v.Response), start); err != nil {
		t.Fatal(err)
	}
	v.FirstPayload, v.SecondPayload = vectorPayload(a, 1), vectorPayload(a, 2)
	v.ResponsePayload = vectors.CBOR(vectors.Map{{Key: 1, Value: settingsMap()}, {Key: 2, Value: uint64(1)}})
	v.InitiatorRoot, v.ResponderRoot = na.Current().roots.send[:], na.Current().roots.receive[:]
	probe := ProbeBody{ID: 1, Observed: netip.MustParseAddrPort("192.0.2.2:9338"), Clock: start.UnixMilli()}.Append(nil)
	v.ConfirmationPlain = append([]byte{byte(Probe)}, probe...)
	if v.Confirmation, err = na.Current().SealControl(nil, Probe, probe); err != nil {
		t.Fatal(err)
	}
	nb.take(t, v.Confirmation, start)
	v.RespondersFirstRaw = vectors.Count(0x45, 40)
	if v.RespondersFirst, err = nb.Current().SealData(make([]byte, 0, 256), 0, 0, v.RespondersFirstRaw); err != nil {
		t.Fatal(err)
	}
	return v
}

// vectorPayload is the payload of an initiation with the stamp seq.
func vectorPayload(l *Local, seq uint64) []byte {
	sign := l.Identity.Public().Sign
	return vectors.CBOR(vectors.Map{
		{Key: 1, Value: vectors.Map{{Key: 1, Value: uint64(1_700_000_000_123)}, {Key: 2, Value: seq}}}, {Key: 2, Value: settingsMap()},
		{Key: 3, Value: l.Name}, {Key: 4, Value: sign[:]}, {Key: 5, Value: uint64(0)}, {Key: 6, Value: make([]byte, 64)},
	})
}

// secondHandshake is a handshake of the second implementation.
type secondHandshake struct {
	id, psk, macRoot []byte
	fingerprints     [2][]byte // initiator, responder
	initiators       [2]party  // of both initiations
	responder        party
	cookieKey, nonce []byte
	from             netip.AddrPort
	noise            *vectors.Noise
}

// party is one end of one attempt.
type party struct {
	end
	index []byte
}

// fingerprintAgain is the fingerprint of a seed.
func fingerprintAgain(seed []byte) []byte {
	dh := vectors.PublicKey(vectors.HKDF(seed, "weft 1 node dh", 32))
	sign := ed25519.NewKeyFromSeed(vectors.HKDF(seed, "weft 1 node sign", 32)).Public().(ed25519.PublicKey)
	sum := sha256.Sum256(slices.Concat(dh, sign))
	return sum[:]
}

func (v *handshakeVector) again() *secondHandshake {
	h := &secondHandshake{
		id: vectors.HKDF(v.Secret, "weft 1 cluster id", 16), psk: vectors.HKDF(v.Secret, "weft 1 handshake psk", 32),
		macRoot:      vectors.HKDF(v.Secret, "weft 1 handshake mac", 32),
		fingerprints: [2][]byte{fingerprintAgain(v.InitiatorSeed), fingerprintAgain(v.ResponderSeed)},
		nonce:        v.ResponderRandom[:24], cookieKey: v.ResponderRandom[24:56], from: netip.MustParseAddrPort(v.From),
		responder: party{newEnd(v.ResponderSeed, v.ResponderRandom[60:92]), v.ResponderRandom[56:60]},
	}
	for i := range h.initiators {
		random := v.InitiatorRandom[36*i:]
		h.initiators[i] = party{newEnd(v.InitiatorSeed, random[4:36]), random[:4]}
	}
	return h
}

// initiation makes the first initiation, or the second, which carries a cookie.
func (h *secondHandshake) initiation(i int, payload []byte) []byte {
	a := h.initiators[i]
	frame := slices.Concat([]byte{0x11, byte(i) << 7, 0, 0, 0, 0, 0, 0}, a.index)
	h.noise = vectors.NewNoise("Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s", slices.Concat([]byte("weft 1"), h.id, h.fingerprints[1], frame))
	h.noise.MixHash(h.responder.staticPublic)
	h.noise.E(a.ephemeralPublic)
	h.noise.DH(a.ephemeral, h.responder.staticPublic)
	static := h.noise.Seal(a.staticPublic)
	h.noise.DH(a.static, h.responder.staticPublic)
	frame = h.mark(slices.Concat(frame, a.ephemeralPublic, static, h.noise.Seal(payload)), 1)
	if i == 1 {
		frame = append(frame, vectors.MAC(append(h.cookieOf(), make([]byte, 16)...), frame)...)
	}
	return frame
}

// mark appends the MAC for one of both.
func (h *secondHandshake) mark(frame []byte, to int) []byte {
	return append(frame, vectors.MAC(vectors.Expand(h.macRoot, "weft 1 mac1"+string(h.fingerprints[to]), 32), frame)...)
}

func (h *secondHandshake) cookieOf() []byte {
	addr := h.from.Addr().As16()
	return vectors.MAC(h.cookieKey, binary.BigEndian.AppendUint16(addr[:], h.from.Port()))
}

// cookie answers the first initiation.
func (h *secondHandshake) cookie(initiation []byte) []byte {
	head := slices.Concat([]byte{0x13, 0, 0, 0}, h.initiators[0].index)
	key := vectors.Expand(h.macRoot, "weft 1 cookie"+string(h.fingerprints[1]), 32)
	mac := initiation[len(initiation)-16:]
	return slices.Concat(head, h.nonce, vectors.SealXChaCha(key, h.nonce, h.cookieOf(), slices.Concat(head, mac)))
}

// response answers the initiation that was made last.
func (h *secondHandshake) response(payload []byte) []byte {
	a, b := h.initiators[1], h.responder
	h.noise.E(b.ephemeralPublic)
	h.noise.DH(b.ephemeral, a.ephemeralPublic)
	h.noise.DH(b.ephemeral, a.staticPublic)
	h.noise.PSK(h.psk)
	return h.mark(slices.Concat([]byte{0x12, 0, 0, 0}, a.index, b.index, b.ephemeralPublic, h.noise.Seal(payload)), 0)
}
