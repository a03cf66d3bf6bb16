package encap

import (
	"errors"
	"net/netip"
	"reflect"
	"testing"
)

func offered() Offer {
	return Offer{Round: 1 << 63, Answer: true, List: []Candidate{
		{At: netip.MustParseAddrPort("192.168.1.10:9338")},
		{At: netip.MustParseAddrPort("[2001:db8::1]:40000"), Kind: CandidateObserved},
	}}
}

func TestAnOfferIsReadAsWritten(t *testing.T) {
	want := offered()
	if got, err := ParseOffer(want.Append(nil)); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestOffersOutOfBoundsAreRefusedAndWhatIsNoEndpointIsLeftOut(t *testing.T) {
	good := offered().List[0]
	bad := offered()
	for _, at := range []string{"192.0.2.1:0", "[fe80::1%eth0]:1", "[::ffff:192.0.2.1]:1"} {
		bad.List = append(bad.List, Candidate{At: netip.MustParseAddrPort(at)})
	}
	bad.List = append(bad.List, Candidate{})
	if got, err := ParseOffer(bad.Append(nil)); err != nil || len(got.List) != 2 {
		t.Errorf("%+v, %v", got, err)
	}
	many := Offer{Round: 1}
	for range MaxCandidates + 1 {
		many.List = append(many.List, good)
	}
	for _, raw := range [][]byte{many.Append(nil), Offer{}.Append(nil), nil, {0xff}} {
		if _, err := ParseOffer(raw); !errors.Is(err, ErrPayload) {
			t.Errorf("%x: %v", raw, err)
		}
	}
}

func FuzzParseOffer(f *testing.F) {
	f.Add(offered().Append(nil))
	f.Fuzz(func(t *testing.T, raw []byte) {
		o, err := ParseOffer(raw)
		if err != nil {
			return
		}
		again, err := ParseOffer(o.Append(nil))
		if err != nil || again.Round != o.Round || again.Answer != o.Answer || len(again.List) != len(o.List) {
			t.Errorf("%+v becomes %+v, %v", o, again, err)
		}
	})
}
