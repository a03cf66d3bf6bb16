package mesh

import (
	"bytes"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
)

func testContent() Claim {
	return Claim{
		Version: 7, Name: "vm-1", Kind: KindStatic,
		Network:     []netip.Prefix{testNetwork, netip.MustParsePrefix("fd00:244::/48")},
		Subnets:     []netip.Prefix{subnetOf(1), netip.MustParsePrefix("fd00:244:0:1::/64")},
		Routes:      []netip.Prefix{netip.MustParsePrefix("172.16.0.0/24")},
		Cut:         []netip.Prefix{netip.MustParsePrefix("172.16.0.0/24")},
		Endpoints:   []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:9338"), netip.MustParseAddrPort("[2001:db8::1]:9338")},
		UnderlayMTU: 1500, MinVersion: 1, MaxVersion: 3, Capabilities: 5,
		Since: time.UnixMilli(1_700_000_000_123),
	}
}

func mustSign(t testing.TB, name string, content Claim) *Claim {
	t.Helper()
	c, err := Sign(testIdentity(name), content)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAClaimDecodesToWhatWasSigned(t *testing.T) {
	want := testContent()
	c := mustSign(t, "a", want)
	got, err := DecodeClaim(c.raw)
	if err != nil {
		t.Fatal(err)
	}
	if got.ID() != testIdentity("a").Fingerprint() || got.Keys != testIdentity("a").Public() {
		t.Error("the claim is not that of its signer")
	}
	if !got.sameContent(&want) || got.Version != want.Version || !got.Since.Equal(want.Since) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got.digest != c.digest || !bytes.Equal(got.raw, c.raw) {
		t.Error("the bytes changed")
	}
}

func TestATypicalClaimFitsAGossipPacket(t *testing.T) {
	if size := len(mustSign(t, "a", testContent()).raw); size > maxGossipClaim/2 {
		t.Errorf("a claim with two subnets and two endpoints has %d bytes", size)
	}
}

func TestAClaimWithOneBitFlippedIsRefused(t *testing.T) {
	raw := mustSign(t, "a", testContent()).raw
	for i := range len(raw) * 8 {
		bad := slices.Clone(raw)
		bad[i/8] ^= 1 << (i % 8)
		if _, err := DecodeClaim(bad); !errors.Is(err, ErrClaim) {
			t.Fatalf("bit %d flipped: error %v, want ErrClaim", i, err)
		}
	}
}

func TestATruncatedOrExtendedClaimIsRefused(t *testing.T) {
	raw := mustSign(t, "a", testContent()).raw
	for i := range raw {
		if _, err := DecodeClaim(raw[:i]); !errors.Is(err, ErrClaim) {
			t.Fatalf("cut at %d: error %v, want ErrClaim", i, err)
		}
	}
	if _, err := DecodeClaim(append(slices.Clone(raw), 0)); !errors.Is(err, ErrClaim) {
		t.Errorf("with a byte more: error %v, want ErrClaim", err)
	}
}

func TestUnknownFieldsAreKeptAndPassedOn(t *testing.T) {
	id := testIdentity("a")
	body, err := encodeBody(&Claim{Keys: id.Public(), Version: 1, Name: "x", Kind: 9, Network: []netip.Prefix{testNetwork}, Since: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	var fields map[int]cbor.RawMessage
	if err := cbor.Unmarshal(body, &fields); err != nil {
		t.Fatal(err)
	}
	fields[99] = cbor.RawMessage{0x63, 'n', 'e', 'w'}
	if body, err = claimEncoder.Marshal(fields); err != nil {
		t.Fatal(err)
	}
	raw := append(id.Sign(signedBytes(body)), body...)
	c, err := DecodeClaim(raw)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(c.raw, raw) {
		t.Error("the bytes were not kept")
	}
	if c.Kind.rank() <= KindAuto.rank() {
		t.Error("an unknown kind does not rank last")
	}
}

func TestClaimsWithSenselessContentAreRefused(t *testing.T) {
	for name, edit := range map[string]func(*Claim){
		"no name":              func(c *Claim) { c.Name = "" },
		"long name":            func(c *Claim) { c.Name = strings.Repeat("a", 254) },
		"name with a newline":  func(c *Claim) { c.Name = "a\nb" },
		"name with an escape":  func(c *Claim) { c.Name = "a\x1b[31m" },
		"host bits":            func(c *Claim) { c.Subnets = []netip.Prefix{netip.PrefixFrom(addrOf(1), 24)} },
		"mapped subnet":        func(c *Claim) { c.Subnets = []netip.Prefix{netip.MustParsePrefix("::ffff:10.244.1.0/120")} },
		"no prefix":            func(c *Claim) { c.Routes = []netip.Prefix{{}} },
		"too many endpoints":   func(c *Claim) { c.Endpoints = slices.Repeat(c.Endpoints, maxEndpoints) },
		"cut off from nothing": func(c *Claim) { c.Cut = []netip.Prefix{{}} },
		"too much cut off":     func(c *Claim) { c.Cut = slices.Repeat(c.Routes, MaxPrefixes+1) },
		"too many routes":      func(c *Claim) { c.Routes = slices.Repeat(c.Routes, MaxPrefixes+1) },
		"version out of range": func(c *Claim) { c.Version = maxVersion + 1 },
		"time out of range":    func(c *Claim) { c.Since = time.UnixMilli(maxUnixMillis + 1) },
	} {
		t.Run(name, func(t *testing.T) {
			content := testContent()
			edit(&content)
			if c, err := Sign(testIdentity("a"), content); !errors.Is(err, ErrClaim) {
				t.Errorf("claim %v, error %v, want ErrClaim", c, err)
			}
		})
	}
}

// badEndpoints are what no member may aim our calls at.
var badEndpoints = []string{
	"127.0.0.1:22", "127.9.9.9:9338", "[::1]:9338", "0.0.0.0:9338", "0.1.2.3:9338", "[::]:9338", "[::7f00:1]:9338",
	"[::ffff:127.0.0.1]:9338", "[::ffff:192.0.2.1]:9338", "169.254.169.254:80", "[fe80::1]:9338", "[fe80::1%eth0]:9338",
	"224.0.0.1:9338", "[ff02::1]:9338", "240.0.0.1:9338", "255.255.255.255:9338", "192.0.2.1:0",
}

func TestEndpointsThatWouldAimCallsAtTheCallersOwnHostAreLeftOut(t *testing.T) {
	good := testContent().Endpoints
	for _, text := range badEndpoints {
		bad := netip.MustParseAddrPort(text)
		content := testContent()
		content.Endpoints = []netip.AddrPort{good[0], bad, good[1]}
		c := mustSign(t, "a", content)
		if !slices.Equal(c.Endpoints, good) || len(c.Subnets) == 0 {
			t.Errorf("%v: endpoints of the claim = %v, want %v, and the rest of it", bad, c.Endpoints, good)
		}
		meta, err := claimEncoder.Marshal([]netip.AddrPort{good[0], bad})
		if err != nil {
			t.Fatal(err)
		}
		if got := decodeMeta(meta); !slices.Equal(got, good[:1]) {
			t.Errorf("%v: endpoints of the metadata = %v", bad, got)
		}
		if bad.Addr().Is4In6() {
			continue // ours are unmapped first
		}
		if got := (Local{Endpoints: []netip.AddrPort{bad, good[0]}}).valid().Endpoints; !slices.Equal(got, good[:1]) {
			t.Errorf("%v: we would claim %v", bad, got)
		}
	}
}

func TestALoopbackAddressOfAStreamIsRemembered(t *testing.T) {
	m := member{}
	at := netip.MustParseAddrPort("127.0.0.1:9338")
	if !m.learn(Remote{Name: "b", Addr: at}) || !slices.Equal(m.observed, []netip.AddrPort{at}) {
		t.Errorf("observed %v", m.observed)
	}
}

func FuzzClaimBody(f *testing.F) {
	c := mustSign(f, "a", testContent())
	f.Add(c.raw[signatureLen:])
	f.Add([]byte{0xa0})
	f.Fuzz(func(t *testing.T, body []byte) {
		c, err := decodeBody(body)
		if err != nil {
			if !errors.Is(err, ErrClaim) {
				t.Errorf("error %v does not wrap ErrClaim", err)
			}
			return
		}
		again, err := encodeBody(c)
		if err != nil {
			t.Fatalf("encode what was decoded: %v", err)
		}
		back, err := decodeBody(again)
		if err != nil {
			t.Fatalf("decode what was encoded: %v", err)
		}
		if !back.sameContent(c) || back.Version != c.Version || !back.Since.Equal(c.Since) || back.Keys != c.Keys {
			t.Errorf("%+v became %+v", c, back)
		}
	})
}

func FuzzState(f *testing.F) {
	s := state{claims: []*Claim{mustSign(f, "a", testContent())}}
	s.departures = append(s.departures, signDeparture(testIdentity("a"), nextBoot(), 5))
	f.Add(s.encode(time.Now()))
	f.Add([]byte{stateVersion, 1, 255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, b []byte) {
		total := 0
		err := decodeState(b, func(_ messageType, body []byte) { total += 5 + len(body) })
		if err == nil && total != len(b)-1 {
			t.Errorf("items of %d bytes in a state of %d", total, len(b))
		}
	})
}

func FuzzMessage(f *testing.F) {
	for _, typ := range []messageType{messageClaim, messageAnnounce, messageFetch, messageDeparture, messageGreeting, messageForget, messageSighting, 77} {
		f.Add(message(typ, make([]byte, noticeLen)))
		f.Add(message(typ, make([]byte, departureLen)))
		f.Add(message(typ, make([]byte, tombstoneLen)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := parseNotice(b)
		if err == nil && !bytes.Equal(n.append(nil), b) {
			t.Error("a notice changed")
		}
		if d, err := parseDeparture(b); err == nil && d.verify(testIdentity("a").Public()) {
			t.Error("a forged departure was taken")
		}
		if d, err := parseTombstone(b); err == nil && d.verify(testIdentity("a").Public()) {
			t.Error("a forged tombstone was taken")
		}
		if s, err := parseSighting(b, lawsNow); err == nil && !bytes.Equal(s.append(nil, lawsNow), b) {
			t.Error("a sighting changed")
		}
		if name, ok := parseMemberName(string(b)); ok && name.String() != string(b) {
			t.Error("a name has two forms")
		}
	})
}

func TestAStateComesBackAsItWas(t *testing.T) {
	a, b := mustSign(t, "a", testContent()), mustSign(t, "b", testContent())
	d := signDeparture(testIdentity("a"), nextBoot(), 5)
	s := state{claims: []*Claim{a, b}, departures: []departure{d}}
	var got [][]byte
	if err := decodeState(s.encode(time.Now()), func(_ messageType, body []byte) { got = append(got, body) }); err != nil {
		t.Fatal(err)
	}
	want := [][]byte{a.raw, b.raw, d.raw}
	if !slices.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("%d items came back, want %d equal ones", len(got), len(want))
	}
}

func TestADepartureIsTakenFromItsSignerOnly(t *testing.T) {
	d, err := parseDeparture(signDeparture(testIdentity("a"), nextBoot(), 5).raw)
	if err != nil {
		t.Fatal(err)
	}
	if !d.verify(testIdentity("a").Public()) || d.verify(testIdentity("b").Public()) {
		t.Error("a departure does not verify with its signer's keys alone")
	}
	d.raw = slices.Clone(d.raw)
	d.raw[departureBody-1]++
	if d.verify(testIdentity("a").Public()) {
		t.Error("a changed departure verifies")
	}
}
