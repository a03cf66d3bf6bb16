package encap

import (
	"bytes"
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/weftnet/weft/trust"
)

func TestHeaderIsReadAsWritten(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := Header{
			Type:  rapid.SampledFrom([]Type{Initiation, Response, Data, Control, GossipType}).Draw(rt, "type"),
			Flags: rapid.Byte().Draw(rt, "flags"), Lane: rapid.Byte().Draw(rt, "lane"), Index: rapid.Uint32().Draw(rt, "index"),
		}
		raw := h.Append([]byte("x"))
		if got, err := ParseHeader(raw[1:]); err != nil || got != h || len(raw) != 1+HeaderLen {
			rt.Fatalf("%+v became %+v, %v", h, got, err)
		}
	})
}

func TestHeaderErrorsAreToldApart(t *testing.T) {
	good := Header{Type: Data}.Append(nil)
	change := func(at int, to byte) []byte {
		b := bytes.Clone(good)
		b[at] = to
		return b
	}
	for _, c := range []struct {
		frame []byte
		want  error
	}{
		{nil, ErrShort}, {good[:7], ErrShort}, {change(0, 0x24), ErrVersion}, {change(0, 0x04), ErrVersion},
		{change(0, 0x10), ErrType}, {change(0, 0x13), nil}, {change(0, 0x17), nil},
		{change(0, 0x18), nil}, {change(0, 0x19), ErrType}, {change(3, 1), ErrReserved}, {good, nil},
	} {
		if _, err := ParseHeader(c.frame); !errors.Is(err, c.want) {
			t.Errorf("%x: %v, want %v", c.frame, err, c.want)
		}
	}
}

func TestOverheadIsThatOfTheDesign(t *testing.T) {
	got := []int{Overhead(false, true), Overhead(true, true), Overhead(false, false), Overhead(true, false)}
	if !reflect.DeepEqual(got, []int{36, 60, 56, 80}) {
		t.Errorf("%v", got)
	}
}

func drawSettings(rt *rapid.T, label string) Settings {
	networks := []netip.Prefix{
		netip.MustParsePrefix("10.244.0.0/16"), netip.MustParsePrefix("10.9.0.0/16"), netip.MustParsePrefix("fd00:1::/48"),
	}
	s := Settings{
		Network:    rapid.SliceOfNDistinct(rapid.SampledFrom(networks), 1, 2, rapid.ID).Draw(rt, label+" network"),
		Encryption: rapid.Bool().Draw(rt, label+" encryption"),
		MinVersion: uint8(rapid.IntRange(1, 3).Draw(rt, label+" min")),
		Lanes:      uint8(rapid.IntRange(1, 8).Draw(rt, label+" lanes")),
		Ciphers:    rapid.Permutation([]Cipher{1, 2, 3}).Draw(rt, label+" ciphers")[:rapid.IntRange(1, 3).Draw(rt, label+" n")],
		MTU:        1500, Capabilities: rapid.Uint64().Draw(rt, label+" capabilities"),
	}
	s.MaxVersion = s.MinVersion + uint8(rapid.IntRange(0, 2).Draw(rt, label+" more"))
	return s
}

func TestBothEndsComeToTheSameAgreement(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		a, b := drawSettings(rt, "a"), drawSettings(rt, "b")
		ab, errA := a.Agree(b)
		ba, errB := b.Agree(a)
		if ab != ba {
			rt.Fatalf("%+v and %+v", ab, ba)
		}
		var ma, mb *MismatchError
		if errors.As(errA, &ma) != errors.As(errB, &mb) {
			rt.Fatalf("%v and %v", errA, errB)
		}
		if ma != nil && (ma.Field != mb.Field || ma.Ours != mb.Theirs || ma.Theirs != mb.Ours) {
			rt.Fatalf("%v and %v", errA, errB)
		}
	})
}

func TestAgreementTakesTheLessOfBoth(t *testing.T) {
	a, b := testSettings(), testSettings()
	a.Lanes, b.Lanes = 4, 2
	a.MaxVersion, b.MaxVersion = 3, 2
	a.Ciphers, b.Ciphers = []Cipher{1, 2}, []Cipher{2}
	a.Capabilities, b.Capabilities = 0b0110, 1<<63|0b1010
	got, err := a.Agree(b)
	if want := (Agreement{Version: 2, Lanes: 2, Cipher: 2, Sealed: true, Capabilities: 0b0010}); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestNetworksAgreeInAnyOrder(t *testing.T) {
	a, b := testSettings(), testSettings()
	six := netip.MustParsePrefix("fd00::/48")
	a.Network, b.Network = append(a.Network, six), []netip.Prefix{six, a.Network[0]}
	if _, err := a.Agree(b); err != nil {
		t.Error(err)
	}
}

func TestSettingsOutOfBoundsAreRefused(t *testing.T) {
	for name, change := range map[string]func(*Settings){
		"no lanes":       func(s *Settings) { s.Lanes = 0 },
		"many lanes":     func(s *Settings) { s.Lanes = 65 },
		"versions":       func(s *Settings) { s.MinVersion = 2 },
		"mapped network": func(s *Settings) { s.Network = []netip.Prefix{netip.MustParsePrefix("::ffff:10.0.0.0/112")} },
		"host bits":      func(s *Settings) { s.Network = []netip.Prefix{netip.MustParsePrefix("10.244.0.1/16")} },
		"no prefix":      func(s *Settings) { s.Network = make([]netip.Prefix, 1) },
		"many networks":  func(s *Settings) { s.Network = make([]netip.Prefix, 9) },
		"many ciphers":   func(s *Settings) { s.Ciphers = make([]Cipher, 17) },
	} {
		s := testSettings()
		change(&s)
		if err := s.check(); !errors.Is(err, ErrPayload) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestProbeIsReadAsWritten(t *testing.T) {
	for _, observed := range []string{"192.0.2.1:9338", "[2001:db8::1]:1"} {
		want := ProbeBody{ID: 1 << 60, Observed: netip.MustParseAddrPort(observed)}
		if got, err := ParseProbe(want.Append(nil)); err != nil || got != want {
			t.Errorf("%+v, %v", got, err)
		}
	}
	if got, err := ParseProbe(ProbeBody{ID: 1}.Append(nil)); err != nil || got.Observed.IsValid() {
		t.Errorf("without an address: %+v, %v", got, err)
	}
	for _, bad := range []string{"[::ffff:192.0.2.1]:1", "[fe80::1%eth0]:1"} {
		if _, err := ParseProbe(ProbeBody{Observed: netip.MustParseAddrPort(bad)}.Append(nil)); !errors.Is(err, ErrPayload) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func testHello() Hello {
	return Hello{
		Keys: trust.PublicKeys{DH: [32]byte{1}, Sign: [32]byte{2}}, Boot: trust.BootNonce{3}, Name: "vm-1", Uptime: 5,
		Settings: testSettings(), Port: 9338, Observed: netip.MustParseAddrPort("192.0.2.1:9338"),
		Splice: Splice{To: trust.Fingerprint{4}, Answer: 1 << 63},
	}
}

func TestHelloIsReadAsWritten(t *testing.T) {
	want := testHello()
	raw, err := want.encode()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := parseHello(raw); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestNamesOfPeersAreFitToBeShown(t *testing.T) {
	h := testHello()
	h.Name = "vm\x1b[2J\n\u202e1 ok ö"
	raw, err := h.encode()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := parseHello(raw); err != nil || got.Name != "vm?[2J??1 ok ö" {
		t.Errorf("%q, %v", got.Name, err)
	}
	l := &Local{Name: strings.Repeat("ö", 200) + "\xff"}
	if name := l.name(); len(name) > MaxName || strings.ToValidUTF8(name, "") != name {
		t.Errorf("%q of %d bytes", name, len(name))
	}
}

func TestUnknownFieldsAreIgnoredAndDoubledOnesRefused(t *testing.T) {
	newer, err := encode(map[int]uint64{1: 7, 99: 1})
	if err != nil {
		t.Fatal(err)
	}
	if p, err := ParseProbe(newer); err != nil || p.ID != 7 {
		t.Errorf("%+v, %v", p, err)
	}
	for name, raw := range map[string][]byte{
		"doubled key":       {0xa2, 0x01, 0x07, 0x01, 0x08},
		"indefinite length": {0xbf, 0x01, 0x07, 0xff},
		"tag":               {0xa1, 0x01, 0xc2, 0x41, 0x07},
		"trailing bytes":    {0xa1, 0x01, 0x07, 0x00},
	} {
		if _, err := ParseProbe(raw); !errors.Is(err, ErrPayload) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestStampsGrowWithinARunAndAcrossRuns(t *testing.T) {
	first, second := Stamps(1), Stamps(2)
	a, b, c := first(), first(), second()
	if !a.Less(b) || !b.Less(c) || b.Less(a) || a.Less(a) || c.Less(b) {
		t.Errorf("%v, %v, %v", a, b, c)
	}
}

func TestIndexesAreNeverZeroNorGivenTwice(t *testing.T) {
	var s indexSet
	random := bytes.NewReader([]byte{0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 1})
	for _, want := range []uint32{1, 2} {
		if got, err := s.draw(random); err != nil || got != want {
			t.Errorf("%d, %v, want %d", got, err, want)
		}
	}
	s.release(1)
	if got, err := s.draw(random); err != nil || got != 1 {
		t.Errorf("released index: %d, %v", got, err)
	}
	if _, err := s.draw(random); err == nil {
		t.Error("no error without randomness")
	}
}
