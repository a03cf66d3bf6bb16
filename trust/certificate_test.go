package trust

import (
	"bytes"
	"crypto/rand"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"pgregory.net/rapid"
)

var (
	testNow    = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	testHolder = Fingerprint{1, 2, 3}
)

// testContent is a certificate for testHolder that counts a day around testNow.
func testContent(edit ...func(*Certificate)) Certificate {
	c := Certificate{
		Fingerprint: testHolder, Name: "vm-1", Subnets: []netip.Prefix{netip.MustParsePrefix("10.244.0.0/20")},
		Routes: []netip.Prefix{netip.MustParsePrefix("192.168.0.0/16")}, NotBefore: testNow.Add(-12 * time.Hour), NotAfter: testNow.Add(12 * time.Hour),
	}
	for _, e := range edit {
		e(&c)
	}
	return c
}

func (a *Authority) certify(t *testing.T, edit ...func(*Certificate)) *Certificate {
	t.Helper()
	c, err := a.Sign(testContent(edit...), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestACertificateReadsAsItWasSigned(t *testing.T) {
	a := newTestAuthority(t)
	want := a.certify(t)
	path := filepath.Join(t.TempDir(), "vm-1.crt")
	if err := os.WriteFile(path, want.PEM(), 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := ReadCertificate(path)
	if err != nil || !bytes.Equal(got.Raw(), want.Raw()) || got.Name != "vm-1" || got.Serial != want.Serial || got.Serial == 0 ||
		!got.NotAfter.Equal(testContent().NotAfter) || !slices.Equal(got.Subnets, want.Subnets) || !slices.Equal(got.Routes, want.Routes) {
		t.Errorf("read %+v (%v), want %+v", got, err, want)
	}
	if err := NewAdmission(AuthorityKeys{a.Public()}).Admit(testHolder, "vm-1", got.Raw(), testNow); err != nil {
		t.Errorf("not admitted: %v", err)
	}
}

func TestEveryAlteredByteOfACertificateIsFound(t *testing.T) {
	a := newTestAuthority(t)
	raw := a.certify(t).Raw()
	gate := NewAdmission(AuthorityKeys{a.Public()})
	for i := range raw {
		altered := slices.Clone(raw)
		altered[i] ^= 1
		if gate.Admit(testHolder, "vm-1", altered, testNow) == nil {
			t.Errorf("admitted with byte %d altered", i)
		}
	}
	for n := range raw {
		if gate.Admit(testHolder, "vm-1", raw[:n], testNow) == nil {
			t.Errorf("admitted with the first %d bytes", n)
		}
	}
}

func TestUnknownFieldsAreIgnoredAndCovered(t *testing.T) {
	a := newTestAuthority(t)
	var fields map[int]any
	body := a.certify(t).Raw()[signedHead:]
	if err := cbor.Unmarshal(body, &fields); err != nil {
		t.Fatal(err)
	}
	fields[99] = "of a later weft"
	body, err := signedEncoder.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	raw := a.sign(certificateContext, body)
	gate := NewAdmission(AuthorityKeys{a.Public()})
	if err := gate.Admit(testHolder, "vm-1", raw, testNow); err != nil {
		t.Errorf("with an unknown field: %v", err)
	}
	altered := bytes.Replace(raw, []byte("later"), []byte("older"), 1)
	if reason(gate.Admit(testHolder, "vm-1", altered, testNow)) != ReasonAuthority {
		t.Error("the signature does not cover the unknown field")
	}
}

func TestASignatureOfAnotherKindIsNoCertificate(t *testing.T) {
	a := newTestAuthority(t)
	body := a.certify(t).Raw()[signedHead:]
	gate := NewAdmission(AuthorityKeys{a.Public()})
	for _, context := range []string{"", revocationContext, "weft 1 claim\x00"} {
		if got := reason(gate.Admit(testHolder, "vm-1", a.sign(context, body), testNow)); got != ReasonAuthority {
			t.Errorf("signed under %q: %q", context, got)
		}
	}
}

func TestBadContentIsNotSigned(t *testing.T) {
	a := newTestAuthority(t)
	many := make([]netip.Prefix, maxAllowed+1)
	for i := range many {
		many[i] = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 244, byte(i), 0}), 24)
	}
	for name, edit := range map[string]func(*Certificate){
		"no name":                 func(c *Certificate) { c.Name = "" },
		"a name with a space":     func(c *Certificate) { c.Name = "vm 1" },
		"a name that moves":       func(c *Certificate) { c.Name = "vm\x1b[1A" },
		"a long name":             func(c *Certificate) { c.Name = strings.Repeat("x", MaxName+1) },
		"no time between":         func(c *Certificate) { c.NotAfter = c.NotBefore },
		"many subnets":            func(c *Certificate) { c.Subnets = many },
		"bits behind the length":  func(c *Certificate) { c.Subnets = []netip.Prefix{netip.MustParsePrefix("10.244.1.1/24")} },
		"IPv4 in the form of six": func(c *Certificate) { c.Routes = []netip.Prefix{netip.MustParsePrefix("::ffff:10.0.0.0/104")} },
	} {
		if _, err := a.Sign(testContent(edit), rand.Reader); !errors.Is(err, ErrCertificate) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestACertificateAllowsWhatLiesInItsPrefixes(t *testing.T) {
	c := testContent()
	for text, want := range map[string]bool{
		"10.244.0.0/20": true, "10.244.1.0/24": true, "10.244.15.255/32": true,
		"10.244.0.0/16": false, "10.244.16.0/24": false, "192.168.1.0/24": false, "fd00::/64": false, "0.0.0.0/0": false,
	} {
		if got := c.AllowsSubnet(netip.MustParsePrefix(text)); got != want {
			t.Errorf("subnet %s: %v, want %v", text, got, want)
		}
	}
	if !c.AllowsRoute(netip.MustParsePrefix("192.168.7.0/24")) || c.AllowsRoute(netip.MustParsePrefix("10.244.1.0/24")) {
		t.Error("routes")
	}
}

// A property: whatever is signed is deterministic but for the serial, and read back it is the same.
func TestSigningIsDeterministic(t *testing.T) {
	a := newTestAuthority(t)
	rapid.Check(t, func(t *rapid.T) {
		content := Certificate{
			Fingerprint: Fingerprint(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "fingerprint")),
			Name:        rapid.StringMatching(`[a-z0-9.-]{1,60}`).Draw(t, "name"),
			NotBefore:   time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "from"), 0),
			Serial:      rapid.Uint64Min(1).Draw(t, "serial"),
			Subnets:     rapid.SliceOfN(rapid.Custom(drawPrefix), 0, 8).Draw(t, "subnets"),
			Routes:      rapid.SliceOfN(rapid.Custom(drawPrefix), 0, 8).Draw(t, "routes"),
		}
		content.NotAfter = content.NotBefore.Add(time.Duration(rapid.IntRange(1, 1<<30).Draw(t, "seconds")) * time.Second)
		one, err := a.Sign(content, nil)
		if err != nil {
			t.Fatal(err)
		}
		two, err := a.Sign(content, nil)
		if err != nil || !bytes.Equal(one.Raw(), two.Raw()) {
			t.Fatalf("signed twice: %x and %x (%v)", one.Raw(), two.Raw(), err)
		}
		if one.Fingerprint != content.Fingerprint || one.Name != content.Name || !one.NotAfter.Equal(content.NotAfter) ||
			!slices.Equal(one.Subnets, content.Subnets) || !slices.Equal(one.Routes, content.Routes) || one.Serial != content.Serial {
			t.Fatalf("read %+v, signed %+v", one, content)
		}
	})
}

func drawPrefix(t *rapid.T) netip.Prefix {
	if rapid.Bool().Draw(t, "v6") {
		a := netip.AddrFrom16([16]byte(append([]byte{0xfd}, rapid.SliceOfN(rapid.Byte(), 15, 15).Draw(t, "address")...)))
		return netip.PrefixFrom(a, rapid.IntRange(8, 128).Draw(t, "bits")).Masked()
	}
	a := netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "address")))
	return netip.PrefixFrom(a, rapid.IntRange(0, 32).Draw(t, "bits")).Masked()
}
