package bed

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/weftnet/weft/lab"
)

func TestImpossibleOptionsAreRefusedWithWhatWouldFit(t *testing.T) {
	for name, test := range map[string]struct {
		options  Options
		subjects []string
		want     []string // in the error; none: it is possible
	}{
		"defaults":                        {Options{}, Names(), nil},
		"jumbo frames":                    {Options{MTU: 9000}, Names(), nil},
		"overlay MTU for all":             {Options{OverlayMTU: 1400}, Names(), nil},
		"overlay MTU of the narrowest":    {Options{OverlayMTU: 1440}, Names(), nil},
		"jumbo overlay on a plain cable":  {Options{OverlayMTU: 9000}, []string{"vxlan"}, []string{"9000", "vxlan", "1450", "1500"}},
		"too large for one of many":       {Options{OverlayMTU: 1450}, Names(), []string{"1450", "weft-plain-sealed", "1440"}},
		"what fits is what fits all":      {Options{OverlayMTU: 1480}, Names(), []string{"vxlan", "1450", "1440 or less"}},
		"without a tunnel the cable's":    {Options{OverlayMTU: 1500}, []string{"host-gw"}, nil},
		"more than the cable's":           {Options{OverlayMTU: 1501}, []string{"host-gw"}, []string{"host-gw", "1500"}},
		"the underlay has no pods":        {Options{OverlayMTU: 1400}, []string{"underlay"}, nil},
		"cable too small":                 {Options{MTU: 1279}, []string{"underlay"}, []string{"1279", "1280", "65535"}},
		"cable too large":                 {Options{MTU: 65536}, []string{"underlay"}, []string{"65536"}},
		"negative MTU":                    {Options{MTU: -1}, []string{"underlay"}, []string{"-1"}},
		"overlay MTU below IPv6":          {Options{OverlayMTU: 1279}, []string{"vxlan"}, []string{"1279", "1280"}},
		"negative overlay MTU":            {Options{OverlayMTU: -1400}, []string{"vxlan"}, []string{"-1400"}},
		"nothing left for pods":           {Options{MTU: 1300}, []string{"host-gw", "vxlan"}, []string{"vxlan", "1250", "1300", "1330"}},
		"least underlay of vxlan":         {Options{MTU: 1330}, []string{"vxlan"}, nil},
		"least underlay of weft":          {Options{MTU: 1340}, []string{"weft-batch-sealed"}, nil},
		"one less":                        {Options{MTU: 1339}, []string{"weft-batch-sealed"}, []string{"weft-batch-sealed", "1340"}},
		"wireguard's reserve":             {Options{MTU: 1359}, []string{"wireguard-go"}, []string{"wireguard-go", "1360"}},
		"wireguard without its reserve":   {Options{MTU: 1359, OverlayMTU: 1299}, []string{"wireguard-go"}, nil},
		"nothing fits":                    {Options{MTU: 1300, OverlayMTU: 1290}, []string{"vxlan"}, []string{"vxlan", "1250", "larger underlay"}},
		"weft on the largest cable":       {Options{MTU: 65535}, []string{"weft-batch-clear"}, nil},
		"more than weft's own limit":      {Options{MTU: 65535, OverlayMTU: 65456}, []string{"weft-batch-clear"}, []string{"65455"}},
		"rate":                            {Options{Rate: 1_000_000_000}, Names(), nil},
		"rate too low":                    {Options{Rate: 99_999}, Names(), []string{"99999", "100000"}},
		"rate too high":                   {Options{Rate: 100_000_000_001}, Names(), []string{"100000000001"}},
		"an underlay beside a large mtu":  {Options{OverlayMTU: 1600}, []string{"underlay", "host-gw"}, []string{"host-gw", "1500"}},
		"an underlay alone and large mtu": {Options{OverlayMTU: 1600}, []string{"underlay"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var subjects []Subject
			for _, name := range test.subjects {
				s, err := ByName(name)
				if err != nil {
					t.Fatal(err)
				}
				subjects = append(subjects, s)
			}
			err := Check(test.options, subjects)
			if (err != nil) != (test.want != nil) || err != nil && !errors.Is(err, ErrImpossible) {
				t.Fatalf("error %v, want one: %t", err, test.want != nil)
			}
			for _, word := range test.want {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("%q does not say %q", err, word)
				}
			}
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("%q is more than one line", err)
			}
		})
	}
}

func TestCheckKnowsTheLimitsOfTheLab(t *testing.T) {
	for _, o := range []lab.Options{{MTU: leastMTU - 1}, {MTU: mostMTU + 1}, {Rate: leastRate - 1}, {Rate: mostRate + 1}} {
		l, err := lab.New(context.Background(), o)
		if err == nil {
			l.Close()
		}
		if err == nil || errors.Is(err, lab.ErrUnavailable) {
			t.Errorf("a lab with %+v: %v, want it to be refused", o, err)
		}
	}
}

func TestNewRefusesTheImpossibleBeforeItMakesAnything(t *testing.T) {
	if _, err := New(context.Background(), Options{OverlayMTU: 9000}, vxlan{}); !errors.Is(err, ErrImpossible) {
		t.Errorf("%v, want ErrImpossible", err)
	}
}

func TestSubjectsAreFoundByNameAndTheKnownOnesListed(t *testing.T) {
	want := []string{"underlay", "host-gw", "vxlan", "weft-plain-clear", "weft-plain-sealed", "weft-batch-clear",
		"weft-batch-sealed", "weft-super-clear", "weft-super-sealed", "wireguard-go", "wireguard"}
	if !slices.Equal(Names(), want) {
		t.Errorf("names %v, want %v", Names(), want)
	}
	for _, s := range All() {
		found, err := ByName(s.Name())
		if err != nil || found.Name() != s.Name() || s.About() == "" || strings.Contains(s.About(), "\n") {
			t.Errorf("%s: %v, %v, about %q", s.Name(), found, err, s.About())
		}
	}
	_, err := ByName("ipip")
	for _, name := range append(want, "ipip") {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v does not name %s", err, name)
		}
	}
}
