package ipam

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func sample() contents {
	record := func(container string, state State, a ...string) Record {
		return Record{Key: Key{container, "eth0"}, Network: "weft", Pod: Pod{"default", container}, NetNS: "/run/netns/x", HostEnd: "wv0123456789a",
			Addresses: addrs(a...), BootID: boot, State: state, Since: time.Unix(1_700_000_000, 5).UTC(), Uptime: 3_600_000}
	}
	return contents{Version: version, Last: map[netip.Prefix]netip.Addr{netip.MustParsePrefix("10.0.0.0/24"): netip.MustParseAddr("10.0.0.3")},
		Records: []Record{record("a", Held, "10.0.0.2", "fd00::2"), record("b", Released, "10.0.0.3")}}
}

func TestABookIsReadAsItWasWrittenWithARecordALine(t *testing.T) {
	for _, c := range []contents{sample(), {Version: version}} {
		text, err := c.encode()
		must(t, err)
		if lines := bytes.Count(text, []byte("\n")); lines != len(c.Records)+2 && len(c.Records) > 0 {
			t.Errorf("%d lines for %d records:\n%s", lines, len(c.Records), text)
		}
		again, err := decode(text)
		if err != nil || fmt.Sprintf("%+v %v", again.Records, again.Last) != fmt.Sprintf("%+v %v", c.Records, c.Last) {
			t.Errorf("%+v became %+v, %v", c, again, err)
		}
	}
}

// The format is a promise to the processes of other builds: a change of it is a change of version.
func TestTheFormatIsTheOneThatIsStored(t *testing.T) {
	stored, err := os.ReadFile(filepath.Join("testdata", "addresses.json"))
	must(t, err)
	c := sample()
	text, err := c.encode()
	if err != nil || !bytes.Equal(text, stored) {
		t.Errorf("%v\n%s\nstored:\n%s", err, text, stored)
	}
}

func TestABookThatIsNoneIsRefusedWithTheReason(t *testing.T) {
	c := sample()
	good, err := c.encode()
	must(t, err)
	for _, test := range []struct{ old, new, says string }{
		{string(good), "", "empty"},
		{string(good), "\x00\x00\x00", "invalid character"},
		{string(good), "[]", "cannot unmarshal array"},
		{string(good), "{}", "no version"},
		{`"version":1`, `"version":2`, "it is of version 2, and this weft knows version 1"},
		{`"records"`, `"leases"`, `unknown field "leases"`},
		{`"netns"`, `"mac"`, `unknown field "mac"`},
		{"]}\n", "]} {}", "behind its end"},
		{"]}\n", "", "unexpected end"},
		{`"container":"a"`, `"container":""`, "record 1: it names no container"},
		{`"state":"held"`, `"state":"lent"`, `record 1: its state is "lent"`},
		{`"boot_id":"1`, `"boot":"1`, "unknown field"},
		{`"boot_id":"` + boot, `"boot_id":"`, "no boot id"},
		{`"uptime_ms":3600000`, `"uptime_ms":-1`, "its uptime is -1 ms"},
		{`"uptime_ms":3600000`, `"uptime_ms":9000000000000000`, "its uptime"},
		{`["10.0.0.2","fd00::2"]`, `[]`, "it has 0 addresses"},
		{`["10.0.0.2","fd00::2"]`, `["` + strings.Repeat(`10.0.0.2","`, maxAddresses) + `10.0.0.2"]`, "it has 65 addresses"},
		{`"10.0.0.2"`, `"10.0.0.256"`, "10.0.0.256"},
		{`"10.0.0.2"`, `""`, "its address invalid IP"},
		{`"fd00::2"`, `"fe80::2%eth0"`, "its address fe80::2%eth0"},
		{`"fd00::2"`, `"::ffff:10.0.0.9"`, "its address ::ffff:10.0.0.9"},
		{`"10.0.0.0/24":"10.0.0.3"`, `"10.0.1.0/24":"10.0.0.3"`, "10.0.0.3 is not in 10.0.1.0/24"},
		{`"10.0.0.0/24":"10.0.0.3"`, `"":"10.0.0.3"`, "10.0.0.3 is not in"},
	} {
		text := strings.Replace(string(good), test.old, test.new, 1)
		if _, err := decode([]byte(text)); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%q for %q: %v, want %q", test.new, test.old, err, test.says)
		}
	}
	twice := sample()
	twice.Records[1].Key, twice.Records[1].State = twice.Records[0].Key, Held
	text, err := twice.encode()
	must(t, err)
	if _, err := decode(text); err == nil || !strings.Contains(err.Error(), "record 2: a/eth0 has one already") {
		t.Errorf("two records of one attachment: %v", err)
	}
}

func TestABookThatIsTooLongIsNeitherReadNorWritten(t *testing.T) {
	b, _ := newBook(t)
	reserve(t, b, request("a", "10.0.0.0/24"))
	long := request(strings.Repeat("x", maxBook), "10.0.0.0/24")
	if _, _, err := b.Reserve(t.Context(), long); err == nil || !strings.Contains(err.Error(), "the most") {
		t.Error("it was written")
	}
	must(t, os.WriteFile(b.Path(), bytes.Repeat([]byte(" "), maxBook+1), 0o600))
	if _, err := b.Records(); err == nil || !strings.Contains(err.Error(), b.Path()) {
		t.Errorf("it was read: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	c := sample()
	good, err := c.encode()
	must(f, err)
	f.Add(good)
	f.Add([]byte(`{"version":1,"records":null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := decode(text)
		if plain, ok := parse(string(text)); ok {
			whole, whyNot := decodeJSON(text)
			plain.Version = whole.Version
			if (err == nil) != (whyNot == nil) || err == nil && !reflect.DeepEqual(plain, whole) {
				t.Fatalf("%s\nis\n%+v, %v\nand by encoding/json\n%+v, %v", text, plain, err, whole, whyNot)
			}
		}
		if err != nil {
			return
		}
		again, err := c.encode()
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		back, err := decode(again)
		if err != nil || len(back.Records) != len(c.Records) {
			t.Fatalf("%s\nbecame\n%s\n%v", text, again, err)
		}
		_, err = c.allocate(request("new", "10.0.0.0/24", "fd00::/120"), time.Hour)
		if full := new(ExhaustedError); err != nil && !errors.As(err, &full) {
			t.Fatal(err)
		}
	})
}
