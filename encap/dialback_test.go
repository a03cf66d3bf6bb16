package encap

import (
	"errors"
	"net/netip"
	"reflect"
	"testing"
)

func testDial() DialBody {
	return DialBody{
		ID: 1 << 60, To: netip.MustParseAddrPort("192.0.2.1:9338"), Status: DialBusy,
		Dialed: []Dialed{{netip.MustParseAddrPort("[2001:db8::1]:9338"), DialOK, DialRefused}},
	}
}

func TestABodyOfADialBackIsReadAsItWasWritten(t *testing.T) {
	for _, want := range []DialBody{testDial(), {ID: 7}} {
		if got, err := ParseDial(want.Append(nil)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v becomes %+v, %v", want, got, err)
		}
	}
}

func TestABodyOfADialBackThatIsOutOfBoundsIsRefused(t *testing.T) {
	mapped := netip.MustParseAddrPort("[::ffff:192.0.2.1]:9338")
	for name, bad := range map[string]DialBody{
		"many endpoints":  {Dialed: make([]Dialed, MaxDialed+1)},
		"mapped target":   {To: mapped},
		"mapped endpoint": {Dialed: []Dialed{{Endpoint: mapped}}},
	} {
		if _, err := ParseDial(bad.Append(nil)); !errors.Is(err, ErrPayload) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOutcomesOfLaterBuildsAreFailures(t *testing.T) {
	if got := DialOutcome(200).String(); got != "failed" {
		t.Errorf("%q", got)
	}
}

func FuzzParseDial(f *testing.F) {
	f.Add(testDial().Append(nil))
	f.Fuzz(func(t *testing.T, raw []byte) {
		d, err := ParseDial(raw)
		if err != nil {
			return
		}
		if again, err := ParseDial(d.Append(nil)); err != nil || len(again.Dialed) != len(d.Dialed) || again.ID != d.ID {
			t.Errorf("%+v becomes %+v, %v", d, again, err)
		}
	})
}
