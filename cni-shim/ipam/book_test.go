package ipam

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const boot = "11111111-1111-1111-1111-111111111111"

// clock is the time that a test says.
type clock struct{ uptime time.Duration }

func (c *clock) now() time.Time        { return time.Unix(1_700_000_000, 0).Add(c.uptime) }
func (c *clock) up() time.Duration     { return c.uptime }
func (c *clock) options() Options      { return Options{BootID: boot, Now: c.now, Uptime: c.up} }
func (c *clock) after(d time.Duration) { c.uptime += d }

func newBook(t *testing.T) (*Book, *clock) {
	t.Helper()
	c := &clock{uptime: time.Hour}
	return open(t, t.TempDir(), c.options()), c
}

func open(t *testing.T, dir string, o Options) *Book {
	t.Helper()
	b, err := Open(dir, o)
	must(t, err)
	return b
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func prefixes(texts ...string) (list []netip.Prefix) {
	for _, s := range texts {
		list = append(list, netip.MustParsePrefix(s))
	}
	return list
}

func addrs(texts ...string) (list []netip.Addr) {
	for _, s := range texts {
		list = append(list, netip.MustParseAddr(s))
	}
	return list
}

func span1(first, last string) Range {
	return Range{netip.MustParseAddr(first), netip.MustParseAddr(last)}
}

// request asks for addresses for eth0 of a container in namespace default.
func request(container string, subnets ...string) Request {
	return Request{Key: Key{container, "eth0"}, Network: "weft", Pod: Pod{"default", container}, NetNS: "/run/netns/" + container,
		HostEnd: "wv-" + container, Subnets: prefixes(subnets...)}
}

func reserve(t *testing.T, b *Book, r Request) Record {
	t.Helper()
	record, _, err := b.Reserve(t.Context(), r)
	must(t, err)
	return record
}

func release(t *testing.T, b *Book, k Key) {
	t.Helper()
	if _, held, err := b.Release(t.Context(), k); err != nil || !held {
		t.Fatalf("release %s: %v %v", k, held, err)
	}
}

func wantAddresses(t *testing.T, r Record, want ...string) {
	t.Helper()
	if !slices.Equal(r.Addresses, addrs(want...)) {
		t.Errorf("%s has %v, want %v", r.Key, r.Addresses, want)
	}
}

func TestAddressesAreGivenInTurnAndIPv6TakesTheSameOffset(t *testing.T) {
	b, _ := newBook(t)
	subnets := []string{"10.244.1.0/24", "fd10:244:0:1::/64"}
	wantAddresses(t, reserve(t, b, request("a", subnets...)), "10.244.1.2", "fd10:244:0:1::2")
	wantAddresses(t, reserve(t, b, request("b", subnets...)), "10.244.1.3", "fd10:244:0:1::3")
	release(t, b, Key{"a", "eth0"})
	wantAddresses(t, reserve(t, b, request("c", subnets...)), "10.244.1.4", "fd10:244:0:1::4")
	wantAddresses(t, reserve(t, b, request("d", subnets[1])), "fd10:244:0:1::5")
	wantAddresses(t, reserve(t, b, request("e", subnets...)), "10.244.1.5", "fd10:244:0:1::6") // ::5 is taken
}

func TestARecordSaysWhatWasAskedAndWhen(t *testing.T) {
	b, c := newBook(t)
	got := reserve(t, b, request("a", "10.0.0.0/24"))
	want := Record{Key: Key{"a", "eth0"}, Network: "weft", Pod: Pod{"default", "a"}, NetNS: "/run/netns/a", HostEnd: "wv-a",
		Addresses: addrs("10.0.0.2"), BootID: boot, State: Held, Since: c.now(), Uptime: c.uptime.Milliseconds()}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	found, ok, err := b.Lookup(Key{"a", "eth0"})
	if err != nil || !ok || !found.Since.Equal(want.Since) || found.HostEnd != "wv-a" {
		t.Errorf("Lookup: %+v %v %v", found, ok, err)
	}
	if _, ok, err := b.Lookup(Key{"a", "eth1"}); ok || err != nil {
		t.Errorf("Lookup of another interface: %v %v", ok, err)
	}
}

func TestAskedAgainAnAttachmentGetsTheSameAndNothingIsWritten(t *testing.T) {
	b, c := newBook(t)
	first := reserve(t, b, request("a", "10.0.0.0/24", "fd00::/64"))
	before, err := os.Stat(b.Path())
	must(t, err)
	c.after(time.Minute)
	again := reserve(t, b, request("a", "10.0.0.0/24", "fd00::/64"))
	after, err := os.Stat(b.Path())
	must(t, err)
	if !slices.Equal(first.Addresses, again.Addresses) || !again.Since.Equal(first.Since) || !os.SameFile(before, after) {
		t.Errorf("%+v, then %+v", first, again)
	}
}

func TestAnAttachmentThatHasSomethingElseIsRefusedUntilItIsReleased(t *testing.T) {
	b, _ := newBook(t)
	reserve(t, b, request("a", "10.0.0.0/24"))
	for name, change := range map[string]func(*Request){
		"another subnet":  func(r *Request) { r.Subnets = prefixes("10.0.1.0/24") },
		"another address": func(r *Request) { r.Wanted = addrs("10.0.0.9") },
		"a second family": func(r *Request) { r.Subnets = prefixes("10.0.0.0/24", "fd00::/64") },
		"another range":   func(r *Request) { r.Ranges = [][]Range{{span1("10.0.0.9", "10.0.0.20")}} },
	} {
		r := request("a", "10.0.0.0/24")
		change(&r)
		held := new(HeldError)
		if _, _, err := b.Reserve(t.Context(), r); !errors.As(err, &held) || !strings.Contains(err.Error(), "10.0.0.2") {
			t.Errorf("%s: %v", name, err)
		}
	}
	release(t, b, Key{"a", "eth0"})
	wantAddresses(t, reserve(t, b, request("a", "10.0.1.0/24")), "10.0.1.2")
}

func TestAReleasedAddressRestsBeforeItIsGivenAgain(t *testing.T) {
	b, c := newBook(t)
	reserve(t, b, request("a", "10.0.0.0/30")) // one address for pods
	release(t, b, Key{"a", "eth0"})
	c.after(Quarantine - time.Millisecond)
	full := new(ExhaustedError)
	if _, _, err := b.Reserve(t.Context(), request("b", "10.0.0.0/30")); !errors.As(err, &full) || full.Quarantined != 1 || full.Held != 0 {
		t.Errorf("within the quarantine: %v", err)
	}
	taken := new(TakenError)
	wanted := request("b", "10.0.0.0/30")
	wanted.Wanted = addrs("10.0.0.2")
	if _, _, err := b.Reserve(t.Context(), wanted); !errors.As(err, &taken) || taken.Rest != time.Millisecond {
		t.Errorf("wanted within the quarantine: %v", err)
	}
	c.after(time.Millisecond)
	wantAddresses(t, reserve(t, b, request("b", "10.0.0.0/30")), "10.0.0.2")
}

func TestReleaseTwiceAndWithoutABookSucceeds(t *testing.T) {
	b, _ := newBook(t)
	if _, held, err := b.Release(t.Context(), Key{"a", "eth0"}); held || err != nil {
		t.Errorf("without a book: %v %v", held, err)
	}
	if _, err := os.Lstat(filepath.Dir(b.Path())); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it made something: %v", err)
	}
	reserve(t, b, request("a", "10.0.0.0/24"))
	release(t, b, Key{"a", "eth0"})
	if _, held, err := b.Release(t.Context(), Key{"a", "eth0"}); held || err != nil {
		t.Errorf("the second time: %v %v", held, err)
	}
}

func TestRecordsOfAnEarlierBootAreFreeAtOnce(t *testing.T) {
	dir, c := t.TempDir(), &clock{uptime: time.Hour}
	b := open(t, dir, c.options())
	reserve(t, b, request("a", "10.0.0.0/29"))
	reserve(t, b, request("b", "10.0.0.0/29"))
	release(t, b, Key{"b", "eth0"})

	o := c.options()
	o.BootID = "22222222-2222-2222-2222-222222222222"
	c.uptime = time.Second
	next := open(t, dir, o)
	if records, err := next.Records(); err != nil || len(records) != 0 {
		t.Errorf("after the boot: %v %v", records, err)
	}
	for i, want := range []string{"10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.0.2", "10.0.0.3"} { // the turn goes on
		wantAddresses(t, reserve(t, next, request(fmt.Sprint("n", i), "10.0.0.0/29")), want)
	}
}

func TestReleaseAllEndsTheRecordsOfTheseAttachmentsAlone(t *testing.T) {
	b, _ := newBook(t)
	for _, name := range []string{"a", "b", "c", "d"} {
		reserve(t, b, request(name, "10.0.0.0/24"))
	}
	released, err := b.ReleaseAll(t.Context(), []Key{{"c", "eth0"}, {"a", "eth0"}, {"b", "eth1"}, {"unknown", "eth0"}})
	must(t, err)
	var names []string
	for _, r := range released {
		names = append(names, r.Container)
	}
	if !slices.Equal(names, []string{"a", "c"}) {
		t.Errorf("released %v", names)
	}
	records, err := b.Records()
	must(t, err)
	states := ""
	for _, r := range records {
		states += fmt.Sprintf("%s:%s ", r.Container, r.State)
	}
	if states != "a:released b:held c:released d:held " {
		t.Errorf("the book says %s", states)
	}
}

func TestTheBookIsForItsOwnerAlone(t *testing.T) {
	b, _ := newBook(t)
	reserve(t, b, request("a", "10.0.0.0/24"))
	folder := filepath.Dir(b.Path())
	for path, want := range map[string]fs.FileMode{folder: 0o700 | fs.ModeDir, b.Path(): 0o600, filepath.Join(folder, LockFile): 0o600} {
		if info, err := os.Lstat(path); err != nil || info.Mode() != want {
			t.Errorf("%s: %v %v", path, info, err)
		}
	}
}

func TestADamagedBookIsRefusedByEverybodyAndKept(t *testing.T) {
	b, _ := newBook(t)
	reserve(t, b, request("a", "10.0.0.0/24"))
	must(t, os.WriteFile(b.Path(), []byte(`{"version":1,"rec`), 0o600))
	_, _, reserving := b.Reserve(t.Context(), request("b", "10.0.0.0/24"))
	_, _, releasing := b.Release(t.Context(), Key{"a", "eth0"})
	_, releasingAll := b.ReleaseAll(t.Context(), nil)
	_, reading := b.Records()
	_, _, looking := b.Lookup(Key{"a", "eth0"})
	_, freeing := b.Watch().Free(t.Context(), nil)
	for i, err := range []error{reserving, releasing, releasingAll, reading, looking, freeing} {
		damaged := new(DamagedError)
		if !errors.As(err, &damaged) || damaged.File != b.Path() || !strings.Contains(err.Error(), b.Path()) || strings.Contains(err.Error(), "\n") {
			t.Errorf("operation %d: %v", i, err)
		}
	}
	if text, err := os.ReadFile(b.Path()); err != nil || string(text) != `{"version":1,"rec` {
		t.Errorf("the book holds %q %v", text, err)
	}
}

func TestABookWithoutBootOrDirectoryIsRefused(t *testing.T) {
	for _, try := range []struct{ dir, boot string }{{"", boot}, {"/nowhere", ""}} {
		if _, err := Open(try.dir, Options{BootID: try.boot}); err == nil {
			t.Errorf("Open(%q, %q) succeeds", try.dir, try.boot)
		}
	}
}

func TestWhatAKilledProcessLeftIsRemoved(t *testing.T) {
	b, _ := newBook(t)
	reserve(t, b, request("a", "10.0.0.0/24"))
	left := filepath.Join(filepath.Dir(b.Path()), "."+File+"1234567")
	must(t, os.WriteFile(left, []byte("half"), 0o600))
	reserve(t, b, request("b", "10.0.0.0/24"))
	if _, err := os.Lstat(left); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}
