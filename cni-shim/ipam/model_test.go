package ipam

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// pool is subnets, and the addresses of them that pods may have, written out by hand.
type pool struct {
	subnets []string
	pods    []string // of each family; of one too large to list, none
}

var pools = []pool{
	{[]string{"10.0.0.0/29"}, []string{"10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"}},
	{[]string{"10.0.0.0/29", "fd00::/126"}, []string{"10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6", "fd00::2", "fd00::3"}},
	{[]string{"10.0.0.0/30", "10.0.0.8/30", "fd00::8/125"}, []string{"10.0.0.2", "10.0.0.10", "fd00::a", "fd00::b", "fd00::c", "fd00::d", "fd00::e", "fd00::f"}},
	{[]string{"10.0.0.4/31", "10.0.0.9/32", "fd00::/127", "fd00::8/128"}, []string{"10.0.0.4", "fd00::"}},
}

// model is what a book should say: it knows no turn, no file and no lock.
type model struct {
	pool
	book   *Book
	clock  *clock
	boot   int
	dir    string
	holds  map[Key][]netip.Addr
	rested map[netip.Addr]time.Duration // uptime at which the rest of an address is over
}

// memory is a directory on a file system without a disk, where there is one: what is tested here does not depend on the disk.
func memory(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "ipam")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
	return dir
}

func (m *model) open(t *rapid.T) {
	o := m.clock.options()
	o.BootID = fmt.Sprint("boot ", m.boot)
	var err error
	if m.book, err = Open(m.dir, o); err != nil {
		t.Fatal(err)
	}
}

// vacant are the addresses of a family that nobody has and that do not rest.
func (m *model) vacant(is4 bool) (list []netip.Addr) {
	taken := slices.Concat(slices.Collect(maps.Values(m.holds))...)
	for _, a := range addrs(m.pods...) {
		if a.Is4() == is4 && !slices.Contains(taken, a) && m.rested[a] <= m.clock.uptime {
			list = append(list, a)
		}
	}
	return list
}

func (m *model) families() (list []bool) {
	for _, is4 := range []bool{true, false} {
		if slices.ContainsFunc(prefixes(m.subnets...), func(p netip.Prefix) bool { return p.Addr().Is4() == is4 }) {
			list = append(list, is4)
		}
	}
	return list
}

func (m *model) key(t *rapid.T) Key {
	return Key{rapid.SampledFrom([]string{"a", "b", "c", "d", "e"}).Draw(t, "container"), rapid.SampledFrom([]string{"eth0", "eth1"}).Draw(t, "ifname")}
}

// reserve asks for one address of each family, for a wanted one, or for one of a range.
func (m *model) reserve(t *rapid.T) {
	r := Request{Key: m.key(t), Network: "weft", Subnets: prefixes(m.subnets...)}
	anyAddr := rapid.SampledFrom(append(addrs(m.pods...), addrs("10.0.0.0", "10.0.0.1", "10.0.0.7", "10.0.0.9", "fd00::1", "10.9.9.9")...))
	if rapid.IntRange(0, 3).Draw(t, "wants") == 0 {
		r.Wanted = []netip.Addr{anyAddr.Draw(t, "wanted")}
	}
	if rapid.IntRange(0, 3).Draw(t, "bounds") == 0 {
		r.Ranges = [][]Range{{{anyAddr.Draw(t, "first"), anyAddr.Draw(t, "last")}}}
	}
	got, _, err := m.book.Reserve(t.Context(), r)
	if had := m.holds[r.Key]; had != nil {
		m.checkAgain(t, r, had, got, err)
		return
	}
	if err != nil {
		m.checkRefusal(t, r, err)
		return
	}
	m.checkGiven(t, r, got)
	m.holds[r.Key] = got.Addresses
}

func (m *model) checkAgain(t *rapid.T, r Request, had []netip.Addr, got Record, err error) {
	held := new(HeldError)
	if errors.As(err, &held) && (r.Wanted != nil || r.Ranges != nil) {
		return
	}
	if err != nil || !slices.Equal(had, got.Addresses) {
		t.Fatalf("%v has %v, and got %v, %v", r.Key, had, got.Addresses, err)
	}
}

// checkRefusal takes a refusal that says why, and of an ordinary request only when a family is used up.
func (m *model) checkRefusal(t *rapid.T, r Request, err error) {
	full, taken, outside := new(ExhaustedError), new(TakenError), new(OutsideError)
	switch {
	case errors.As(err, &full):
		if r.Ranges == nil && !slices.ContainsFunc(m.families(), func(is4 bool) bool { return len(m.vacant(is4)) == 0 }) {
			t.Fatalf("%v, while %v and %v are vacant", err, m.vacant(true), m.vacant(false))
		}
	case errors.As(err, &taken):
		if slices.Contains(m.vacant(taken.Addr.Is4()), taken.Addr) {
			t.Fatalf("%v, and it is vacant", err)
		}
	case errors.As(err, &outside):
		if r.Wanted == nil && r.Ranges == nil {
			t.Fatalf("%v of a request for any address", err)
		}
	default:
		t.Fatal(err)
	}
}

func (m *model) checkGiven(t *rapid.T, r Request, got Record) {
	for _, a := range got.Addresses {
		if !slices.Contains(m.vacant(a.Is4()), a) {
			t.Fatalf("%v got %s, which is not vacant", r, a)
		}
		for _, set := range r.Ranges {
			if set[0].First.Is4() == a.Is4() && !set[0].Contains(a) {
				t.Fatalf("%v got %s, outside of the range", r, a)
			}
		}
	}
	for _, a := range r.Wanted {
		if !slices.Contains(got.Addresses, a) {
			t.Fatalf("%v got %v", r, got.Addresses)
		}
	}
	if len(got.Addresses) != len(m.families()) {
		t.Fatalf("%v got %v", r, got.Addresses)
	}
}

// ended lets the addresses of an attachment rest.
func (m *model) ended(k Key) {
	for _, a := range m.holds[k] {
		m.rested[a] = m.clock.uptime + Quarantine
	}
	delete(m.holds, k)
}

func (m *model) release(t *rapid.T) {
	k := m.key(t)
	_, had := m.holds[k]
	if _, held, err := m.book.Release(t.Context(), k); err != nil || held != had {
		t.Fatalf("release %v: %v %v", k, held, err)
	}
	m.ended(k)
}

func (m *model) releaseAll(t *rapid.T) {
	keys := []Key{m.key(t), m.key(t), m.key(t)}
	released, err := m.book.ReleaseAll(t.Context(), keys)
	if err != nil {
		t.Fatal(err)
	}
	before := len(m.holds)
	for _, k := range keys {
		m.ended(k)
	}
	if len(released) != before-len(m.holds) {
		t.Fatalf("released %v", released)
	}
}

func (m *model) wait(t *rapid.T) {
	m.clock.after(time.Duration(rapid.IntRange(0, 40_000).Draw(t, "ms")) * time.Millisecond)
}

func (m *model) reboot(t *rapid.T) {
	m.boot++
	m.clock.uptime = 0
	clear(m.holds)
	clear(m.rested)
	m.open(t)
}

// check compares all records with the model.
func (m *model) check(t *rapid.T) {
	records, err := m.book.Records()
	if err != nil {
		t.Fatal(err)
	}
	holds := map[Key][]netip.Addr{}
	for _, r := range records {
		if r.State == Held {
			holds[r.Key] = r.Addresses
		}
	}
	if fmt.Sprint(holds) != fmt.Sprint(m.holds) {
		t.Fatalf("held: %v, want %v", holds, m.holds)
	}
}

func TestABookKeepsItsPromisesWhateverIsAskedOfIt(t *testing.T) {
	base := memory(t)
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(base, "")
		if err != nil {
			t.Fatal(err)
		}
		m := &model{pool: rapid.SampledFrom(pools).Draw(t, "pool"), clock: &clock{uptime: time.Minute}, dir: dir,
			holds: map[Key][]netip.Addr{}, rested: map[netip.Addr]time.Duration{}}
		m.open(t)
		t.Repeat(map[string]func(*rapid.T){
			"reserve": m.reserve, "reserve again": m.reserve, "release": m.release, "release all": m.releaseAll, "wait": m.wait, "reboot": m.reboot,
			"open": m.open, "": m.check,
		})
	})
}
