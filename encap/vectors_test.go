package encap

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/weftnet/weft/trust"
	"github.com/weftnet/weft/trust/vectors"
)

// The known answers of the wire format. Package vectors says how they are kept and checked.

// macVector is the MAC of a handshake frame.
type macVector struct {
	Root  vectors.Hex `json:"root"` // Keys.MAC
	To    vectors.Hex `json:"to"`   // fingerprint
	Key   vectors.Hex `json:"key"`
	Frame vectors.Hex `json:"frame"` // without the MAC
	MAC   vectors.Hex `json:"mac"`
}

func TestVectorsOfTheMAC(t *testing.T) {
	keys, to := testKeys(1), testLocal(t, 2).Identity.Fingerprint()
	key := macKey(&keys, to)
	frame := append(handshakeFrame(Initiation, 0, 0, 0x01020304), vectors.Count(0x80, 100)...)
	sum := macOf(&key, frame)
	v := vectors.Check(t, "mac", macVector{Root: keys.MAC[:], To: to[:], Key: key[:], Frame: frame, MAC: sum[:]})
	vectors.Equal(t, "key", v.Key, vectors.Expand(v.Root, "weft 1 mac1"+string(v.To), 32))
	vectors.Equal(t, "MAC", v.MAC, vectors.MAC(v.Key, v.Frame))
}

// laneVector are the keys of one lane, of what the initiator of the handshake sends.
type laneVector struct {
	Root  vectors.Hex `json:"root"` // the key that the handshake gave for the initiator's messages
	Label string      `json:"label"`
	Key   vectors.Hex `json:"key"`
}

// frameVector is a data or control frame.
type frameVector struct {
	Lane    laneVector  `json:"key_of_lane"`
	Cipher  uint8       `json:"cipher"`
	Type    uint8       `json:"type"`
	Flags   uint8       `json:"flags"`
	Number  uint8       `json:"lane"`
	Index   uint32      `json:"index"` // of the receiver
	Counter uint64      `json:"counter"`
	Plain   vectors.Hex `json:"plain"` // a packet, or the kind of a control frame and its body
	Frame   vectors.Hex `json:"frame"`
}

func TestVectorsOfDataFrames(t *testing.T) {
	var list []frameVector
	packet := vectors.Count(0x45, 40)
	for _, c := range bothCiphers {
		for _, lane := range []uint8{0, 1} {
			a, _ := keypairs(t, c, true, 2)
			a.sealing(&a.data[lane]).sent.Store(0x0102030405 + uint64(lane))
			list = append(list, frameVector{
				Lane:   laneVector{Root: rootOfA[:], Label: fmt.Sprintf("weft 1 data lane %d cipher %d", lane, c)},
				Cipher: uint8(c), Type: uint8(Data), Flags: lane * FlagPartial, Number: lane, Index: a.RemoteIndex,
				Counter: 0x0102030405 + uint64(lane), Plain: packet,
			})
			frame, err := a.SealData(make([]byte, 0, 256), lane, lane*FlagPartial, packet)
			if err != nil {
				t.Fatal(err)
			}
			list[len(list)-1].Frame = frame
		}
	}
	checkFrames(t, "data", list)
}

func TestVectorsOfControlFrames(t *testing.T) {
	seen := netip.MustParseAddrPort("192.0.2.1:9338")
	bodies := []struct {
		kind ControlKind
		body []byte
	}{
		{Probe, ProbeBody{ID: 7, Observed: seen, Clock: 1_700_000_000_123}.Append(nil)},
		{ProbeReply, ProbeBody{ID: 7, Observed: netip.MustParseAddrPort("[2001:db8::1]:9338")}.Append(nil)},
		{Gossip, append(vectors.Count(1, 8), "a packet of memberlist"...)},
		{Goodbye, nil},
		{Pause, nil},
		{DialRequest, DialBody{ID: 9}.Append(nil)},
		{DialBack, DialBody{ID: 9, To: seen}.Append(nil)},
		{DialResponse, DialBody{ID: 9, Dialed: []Dialed{{Endpoint: seen, UDP: DialOK, TCP: DialTimeout}}}.Append(nil)},
	}
	var list []frameVector
	for i, b := range bodies {
		c := bothCiphers[i%2]
		a, _ := keypairs(t, c, true, 2)
		a.sealing(&a.control).sent.Store(uint64(i))
		frame, err := a.SealControl(nil, b.kind, b.body)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, frameVector{
			Lane:   laneVector{Root: rootOfA[:], Label: fmt.Sprintf("weft 1 control cipher %d", c)},
			Cipher: uint8(c), Type: uint8(Control), Index: a.RemoteIndex, Counter: uint64(i),
			Plain: append([]byte{byte(b.kind)}, b.body...), Frame: frame,
		})
	}
	checkFrames(t, "control", list)
}

// rootOfA is what keypairs takes for the key of a's messages.
var rootOfA = [32]byte{1}

func checkFrames(t *testing.T, name string, list []frameVector) {
	t.Helper()
	for i := range list {
		l := &list[i].Lane
		l.Key = vectors.Expand(l.Root, l.Label, 32) // the code has it only inside of its cipher
	}
	for _, v := range vectors.Check(t, name, list) {
		head := []byte{1<<4 | v.Type, v.Flags, v.Number, 0}
		head = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(head, v.Index), v.Counter)
		nonce := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(nil, v.Index), v.Counter)
		seal := map[uint8]func(key, nonce, plain, data []byte) []byte{1: vectors.SealAES, 2: vectors.SealChaCha}[v.Cipher]
		vectors.Equal(t, v.Lane.Label, v.Frame, append(slices.Clone(head), seal(v.Lane.Key, nonce, v.Plain, head)...))
	}
}

// TestVectorsOfControlBodies writes the CBOR of control frames anew.
func TestVectorsOfControlBodies(t *testing.T) {
	seen, six := netip.MustParseAddrPort("192.0.2.1:9338"), netip.MustParseAddrPort("[2001:db8::1]:9338")
	dialed := vectors.Map{{Key: 1, Value: vectors.AddrPort(seen)}, {Key: 2, Value: uint64(0)}, {Key: 3, Value: uint64(2)}}
	for name, c := range map[string]struct {
		made  []byte
		again vectors.Map
	}{
		"probe": {
			ProbeBody{ID: 7, Observed: seen, Clock: 1_700_000_000_123}.Append(nil),
			vectors.Map{{Key: 1, Value: uint64(7)}, {Key: 2, Value: vectors.AddrPort(seen)}, {Key: 3, Value: uint64(1_700_000_000_123)}},
		},
		"probe over IPv6": {
			ProbeBody{ID: 1 << 40, Observed: six}.Append(nil),
			vectors.Map{{Key: 1, Value: uint64(1 << 40)}, {Key: 2, Value: vectors.AddrPort(six)}},
		},
		"dial request":     {DialBody{ID: 9}.Append(nil), vectors.Map{{Key: 1, Value: uint64(9)}}},
		"dial back":        {DialBody{ID: 9, To: seen}.Append(nil), vectors.Map{{Key: 1, Value: uint64(9)}, {Key: 2, Value: vectors.AddrPort(seen)}}},
		"refused response": {DialBody{ID: 9, Status: DialBusy}.Append(nil), vectors.Map{{Key: 1, Value: uint64(9)}, {Key: 3, Value: uint64(1)}}},
		"dial response": {
			DialBody{ID: 9, Dialed: []Dialed{{Endpoint: seen, UDP: DialOK, TCP: DialTimeout}}}.Append(nil),
			vectors.Map{{Key: 1, Value: uint64(9)}, {Key: 4, Value: []any{dialed}}},
		},
	} {
		vectors.Equal(t, name, c.made, vectors.CBOR(c.again))
	}
}

// cookieVector is the cookie of an address, and what comes of it.
type cookieVector struct {
	Key     vectors.Hex `json:"key"` // the responder's, which nobody else has to know
	Address string      `json:"address"`
	Cookie  vectors.Hex `json:"cookie"`
	Root    vectors.Hex `json:"root"` // Keys.MAC
	Of      vectors.Hex `json:"of"`   // fingerprint of the responder
	SealKey vectors.Hex `json:"seal_key"`
}

func TestVectorsOfCookies(t *testing.T) {
	keys, of := testKeys(1), testLocal(t, 2).Identity.Fingerprint()
	seal := cookieKey(&keys, of)
	var list []cookieVector
	for _, at := range []string{"192.0.2.1:9338", "[2001:db8::1]:443"} {
		key := [32]byte(vectors.Count(0x60, 32))
		cookie := cookieOf(&key, netip.MustParseAddrPort(at))
		list = append(list, cookieVector{
			Key: key[:], Address: at, Cookie: cookie[:cookieLen], Root: keys.MAC[:], Of: of[:], SealKey: seal[:],
		})
	}
	for _, v := range vectors.Check(t, "cookie", list) {
		at := netip.MustParseAddrPort(v.Address)
		addr := at.Addr().As16()
		vectors.Equal(t, "cookie", v.Cookie, vectors.MAC(v.Key, binary.BigEndian.AppendUint16(addr[:], at.Port())))
		vectors.Equal(t, "key of the seal", v.SealKey, vectors.Expand(v.Root, "weft 1 cookie"+string(v.Of), 32))
	}
}

// settingsMap is the CBOR of testSettings with fixed ciphers.
func settingsMap() vectors.Map {
	return vectors.Map{
		{Key: 1, Value: []any{vectors.Prefix(netip.MustParsePrefix("10.244.0.0/16"))}}, {Key: 2, Value: true},
		{Key: 3, Value: uint64(1)}, {Key: 4, Value: uint64(1)}, {Key: 6, Value: uint64(1)}, {Key: 7, Value: []byte{1, 2}},
		{Key: 8, Value: uint64(1500)},
	}
}

// vectorLocal is the node of a seed, whose randomness is bytes that count up from first.
func vectorLocal(t testing.TB, seed, first byte) *Local {
	l := testLocal(t, seed)
	l.Ring = trust.NewRing(trust.Secret(vectors.Count(0, trust.SecretLen)).Derive())
	l.Settings.Ciphers = []Cipher{CipherAES256GCM, CipherChaCha20Poly1305}
	l.Rand = &counting{next: first}
	return l
}

// counting is a source of bytes that count up.
type counting struct{ next byte }

// Read implements io.Reader.
func (c *counting) Read(p []byte) (int, error) {
	copy(p, vectors.Count(c.next, len(p)))
	c.next += byte(len(p))
	return len(p), nil
}
