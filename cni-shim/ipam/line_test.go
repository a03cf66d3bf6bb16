package ipam

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// drawRecord draws one that a Book may have, and now and then one with values that take an escape.
func drawRecord(t *rapid.T) Record {
	text := rapid.OneOf(rapid.StringMatching(`[a-z0-9/_.:-]{1,20}`), rapid.StringMatching(`[a-z"\\<>& é\n]{1,6}`))
	maybe := rapid.OneOf(text, rapid.Just(""))
	zones := rapid.SampledFrom([]*time.Location{time.UTC, time.UTC, time.FixedZone("", 3600)})
	addr := rapid.Custom(func(t *rapid.T) netip.Addr {
		if rapid.Bool().Draw(t, "IPv4") {
			return netip.AddrFrom4([4]byte{10, 0, 0, rapid.Byte().Draw(t, "byte")})
		}
		return netip.AddrFrom16([16]byte{0: 0xfd, 15: rapid.Byte().Draw(t, "byte")})
	})
	return Record{
		Key: Key{text.Draw(t, "container"), text.Draw(t, "interface")}, Network: maybe.Draw(t, "network"),
		Pod: Pod{maybe.Draw(t, "namespace"), maybe.Draw(t, "pod")}, NetNS: maybe.Draw(t, "netns"), HostEnd: maybe.Draw(t, "host end"),
		Addresses: rapid.SliceOfN(addr, 1, 3).Draw(t, "addresses"), BootID: text.Draw(t, "boot"),
		State:  rapid.SampledFrom([]State{Held, Released}).Draw(t, "state"),
		Since:  time.Unix(rapid.Int64Range(0, 1<<32).Draw(t, "seconds"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).In(zones.Draw(t, "zone")),
		Uptime: rapid.Int64Range(0, 1<<40).Draw(t, "uptime"),
	}
}

func TestALineIsWhatEncodingJSONMakesOfTheRecord(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawRecord(t)
		want, err := json.Marshal(&r)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := r.appendTo([]byte("before")); err != nil || string(got) != "before"+string(want) {
			t.Fatalf("%v\n%s\nwant\n%s", err, got, want)
		}
	})
}

func TestABookIsParsedAsByEncodingJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := contents{Version: version, Records: rapid.SliceOfN(rapid.Custom(drawRecord), 0, 4).Draw(t, "records")}
		for _, p := range rapid.SampledFrom([][]string{nil, {"10.0.0.0/24"}, {"10.0.0.0/24", "fd00::/64"}}).Draw(t, "last") {
			c.Last = orMake(c.Last)
			subnet := netip.MustParsePrefix(p)
			c.Last[subnet] = subnet.Addr().Next()
		}
		text, err := c.encode()
		if err != nil {
			t.Fatal(err)
		}
		isPlain := !strings.ContainsFunc(string(text), func(r rune) bool { return r > '~' }) && !strings.Contains(string(text), `\`) && !strings.Contains(string(text), "+01:00")
		got, ok := parse(string(text))
		if isPlain && !ok {
			t.Fatalf("not understood:\n%s", text)
		}
		if want, err := decodeJSON(text); ok && (got.check() == nil) != (err == nil) || ok && err == nil && !same(got, want) {
			t.Fatalf("%s\nis\n%+v\nwant\n%+v, %v", text, got, want, err)
		}
	})
}

// same takes no records and an empty list of them for the same.
func same(a, b contents) bool {
	return reflect.DeepEqual(a.Last, b.Last) && (reflect.DeepEqual(a.Records, b.Records) || len(a.Records)+len(b.Records) == 0)
}

func orMake(m map[netip.Prefix]netip.Addr) map[netip.Prefix]netip.Addr {
	if m == nil {
		return map[netip.Prefix]netip.Addr{}
	}
	return m
}

func TestABookOfEscapesOrIndentedIsReadToo(t *testing.T) {
	b, _ := newBook(t)
	r := request("a", "10.0.0.0/24")
	r.Pod = Pod{"ns", "<&é\"\\>"}
	want := reserve(t, b, r)
	reserve(t, b, request("b", "10.0.0.0/24"))
	got, found, err := b.Lookup(want.Key)
	if err != nil || !found || !reflect.DeepEqual(got, want) {
		t.Errorf("%v %+v, %v; want %+v", found, got, err, want)
	}
}
