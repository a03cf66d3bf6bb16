package ipam

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func TestTheSmallestSubnetsGiveWhatTheyHave(t *testing.T) {
	for _, test := range []struct{ subnet, want string }{
		{"10.0.0.0/30", "10.0.0.2"}, {"10.0.0.0/31", "10.0.0.0"}, {"10.0.0.0/32", ""},
		{"fd00::/126", "fd00::2"}, {"fd00::/127", "fd00::"}, {"fd00::/128", ""}, {"fd00::/112", "fd00::2"},
	} {
		b, _ := newBook(t)
		got, _, err := b.Reserve(t.Context(), request("a", test.subnet))
		full := new(ExhaustedError)
		switch {
		case test.want == "" && (!errors.As(err, &full) || full.Capacity != 0 || !strings.Contains(err.Error(), "larger")):
			t.Errorf("%s: %v %v", test.subnet, got, err)
		case test.want != "" && (err != nil || !slices.Equal(got.Addresses, addrs(test.want))):
			t.Errorf("%s: %v %v, want %s", test.subnet, got.Addresses, err, test.want)
		}
	}
}

func TestAFullSubnetIsFollowedByTheNextOfItsFamily(t *testing.T) {
	b, _ := newBook(t)
	subnets := []string{"10.0.0.0/30", "fd00::/64", "10.9.0.0/24", "10.0.0.4/32"}
	wantAddresses(t, reserve(t, b, request("a", subnets...)), "10.0.0.2", "fd00::2")
	wantAddresses(t, reserve(t, b, request("b", subnets...)), "10.9.0.2", "fd00::3") // ::2 is taken
	wantAddresses(t, reserve(t, b, request("c", subnets...)), "10.9.0.3", "fd00::4") // ::3 is taken
}

func TestAnExhaustedPoolSaysHowManyAreUsedAndByWhom(t *testing.T) {
	b, _ := newBook(t)
	for i := range 5 { // all of a /29
		r := request(fmt.Sprint("c", i), "10.0.0.0/29")
		r.Pod.Namespace = []string{"shop", "shop", "kube-system", "default", "shop"}[i]
		reserve(t, b, r)
	}
	release(t, b, Key{"c3", "eth0"})
	_, _, err := b.Reserve(t.Context(), request("more", "10.0.0.0/29"))
	full := new(ExhaustedError)
	if !errors.As(err, &full) {
		t.Fatal(err)
	}
	want := &ExhaustedError{Subnets: prefixes("10.0.0.0/29"), Capacity: 5, Held: 4, Quarantined: 1, By: []Share{{"namespace shop", 3}, {"namespace kube-system", 1}}}
	if fmt.Sprintf("%+v", full) != fmt.Sprintf("%+v", want) || !slices.Equal(full.By, want.By) {
		t.Errorf("%+v, want %+v", full, want)
	}
	text := "ipam: no address is left in 10.0.0.0/29: of 5 for pods 4 are held (3 by namespace shop, 1 by namespace kube-system) and 1 rest for 30s after their release"
	if err.Error() != text {
		t.Errorf("it says %q", err)
	}
}

func TestOneFamilyThatIsFullRefusesTheWholeRequest(t *testing.T) {
	b, _ := newBook(t)
	reserve(t, b, request("a", "10.0.0.0/24", "fd00::/127"))
	_, _, err := b.Reserve(t.Context(), request("b", "10.0.0.0/24", "fd00::/127"))
	full := new(ExhaustedError)
	if !errors.As(err, &full) || !slices.Equal(full.Subnets, prefixes("fd00::/127")) {
		t.Errorf("%v", err)
	}
	if records, err := b.Records(); err != nil || len(records) != 1 {
		t.Errorf("the book has %v %v", records, err)
	}
}

func TestWantedAddressesAreGivenOrRefusedWithTheReason(t *testing.T) {
	b, _ := newBook(t)
	subnets := []string{"10.0.0.0/24", "fd00::/64"}
	r := request("a", subnets...)
	r.Wanted = addrs("::ffff:10.0.0.77")
	wantAddresses(t, reserve(t, b, r), "10.0.0.77", "fd00::4d")
	r = request("b", subnets...)
	r.Wanted = addrs("fd00::99", "10.0.0.78", "10.0.0.79")
	wantAddresses(t, reserve(t, b, r), "10.0.0.78", "10.0.0.79", "fd00::99")
	for _, test := range []struct {
		wanted []string
		says   string
	}{
		{[]string{"10.0.0.77"}, "10.0.0.77 belongs to default/a"},
		{[]string{"10.0.1.1"}, "10.0.1.1 is outside of this node's 10.0.0.0/24 and fd00::/64"},
		{[]string{"fd01::1"}, "fd01::1 is outside"},
		{[]string{"10.0.0.0"}, "is no address for pods"},
		{[]string{"10.0.0.1"}, "gateway"},
		{[]string{"10.0.0.255"}, "broadcast"},
		{[]string{"10.0.0.9", "10.0.0.9"}, "asked for twice"},
		{[]string{"fd00::5%eth0"}, "is no address of a pod"},
	} {
		r := request("c", subnets...)
		r.Wanted = addrs(test.wanted...)
		_, _, err := b.Reserve(t.Context(), r)
		taken, outside := new(TakenError), new(OutsideError)
		if !errors.As(err, &taken) && !errors.As(err, &outside) || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%v: %v", test.wanted, err)
		}
	}
	wantAddresses(t, reserve(t, b, request("d", subnets...)), "10.0.0.2", "fd00::2") // what is wanted moves no turn
}

func TestRangesBoundWhatIsGiven(t *testing.T) {
	b, _ := newBook(t)
	subnets := []string{"10.0.0.0/24", "fd00::/64"}
	ranges := [][]Range{{span1("10.0.0.0", "10.0.0.2"), span1("10.0.0.50", "10.0.0.51")}}
	for i, want := range [][]string{{"10.0.0.2", "fd00::2"}, {"10.0.0.50", "fd00::32"}, {"10.0.0.51", "fd00::33"}} {
		r := request(fmt.Sprint("c", i), subnets...)
		r.Ranges = ranges
		wantAddresses(t, reserve(t, b, r), want...)
	}
	r := request("more", subnets...)
	r.Ranges = ranges
	full := new(ExhaustedError)
	if _, _, err := b.Reserve(t.Context(), r); !errors.As(err, &full) || full.Capacity != 3 || full.Held != 3 {
		t.Errorf("%v", err)
	}
	r.Ranges = [][]Range{{span1("10.0.0.60", "10.0.0.69")}, {span1("10.0.0.70", "10.0.0.79")}, {span1("fd00::aa", "fd00::ab")}}
	wantAddresses(t, reserve(t, b, r), "10.0.0.60", "10.0.0.70", "fd00::aa")
}

func TestRangesThatAreNoneAreRefused(t *testing.T) {
	for _, test := range []struct {
		r      Range
		wanted string
		says   string
	}{
		{span1("10.0.0.9", "10.0.0.8"), "", "the range 10.0.0.9-10.0.0.8 goes from no address"},
		{span1("10.0.0.9", "fd00::8"), "", "of its family"},
		{span1("10.0.0.9", "10.0.1.8"), "", "is outside of this node's 10.0.0.0/24"},
		{span1("fd00::1", "fd00::2"), "", "the range fd00::1-fd00::2 is outside"},
		{Range{}, "", "the range invalid IP-invalid IP"},
		{span1("10.0.0.9", "10.0.0.19"), "10.0.0.20", "10.0.0.20 is outside of the ranges that the request allows"},
	} {
		b, _ := newBook(t)
		r := request("a", "10.0.0.0/24")
		r.Ranges = [][]Range{{test.r}}
		if test.wanted != "" {
			r.Wanted = addrs(test.wanted)
		}
		_, _, err := b.Reserve(t.Context(), r)
		if outside := new(OutsideError); !errors.As(err, &outside) || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%v: %v", test.r, err)
		}
	}
}

func TestARequestWithoutSubnetOrNameIsRefused(t *testing.T) {
	b, _ := newBook(t)
	for name, change := range map[string]func(*Request){
		"no subnet":      func(r *Request) { r.Subnets = nil },
		"invalid subnet": func(r *Request) { r.Subnets = make([]netip.Prefix, 1) },
		"mapped subnet":  func(r *Request) { r.Subnets = prefixes("::ffff:10.0.0.0/120") },
		"no container":   func(r *Request) { r.Container = "" },
		"no interface":   func(r *Request) { r.IfName = "" },
	} {
		r := request("a", "10.0.0.0/24")
		change(&r)
		if got, _, err := b.Reserve(t.Context(), r); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
