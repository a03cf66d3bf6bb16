package handover

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/inherit"
	"github.com/weftnet/weft/inherit/inherittest"
)

// fakeStore is a Store in memory that writes down what happens.
type fakeStore struct {
	given []*os.File
	log   []string
	full  int // how many it takes; 0: all
	loses bool
}

var errFull = errors.New("the store is full")

func (s *fakeStore) Inherited() []*os.File { return s.given }

func (s *fakeStore) Store(name string, _ int) error {
	if s.full > 0 && len(s.log) >= s.full {
		return errFull
	}
	s.log = append(s.log, "store "+name)
	return nil
}

func (s *fakeStore) Remove(names ...string) error {
	s.log = append(s.log, "remove "+strings.Join(names, " "))
	return nil
}

func (s *fakeStore) Keeps() bool { return !s.loses }

// must ends the test with an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// named are descriptors of these names.
func named(t *testing.T, names ...string) (files []*os.File) {
	t.Helper()
	for _, name := range names {
		fd, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
		must(t, err)
		f := os.NewFile(uintptr(fd), name)
		t.Cleanup(func() { f.Close() })
		files = append(files, f)
	}
	return files
}

func namesOf(files []*os.File) (names []string) {
	for _, f := range files {
		names = append(names, f.Name())
	}
	return names
}

func TestInheritedDescriptorsAreGivenByKindAndInOrder(t *testing.T) {
	sockets := make([]string, 11)
	for i := range sockets {
		sockets[i] = inherit.Name(Port, i)
	}
	given := append([]string{"tun.0", "vsock.0", "udp.x", "udp.01", "tcp.0"}, sockets...)
	slices.Sort(given)
	slices.Reverse(given)
	store := &fakeStore{given: named(t, given...)}
	h := New(store, slog.New(slog.DiscardHandler))
	for kind, want := range map[string][]string{Port: sockets, Device: {"tun.0"}, TCP: {"tcp.0"}} {
		var got []string
		_, err := GoOn(h, kind, func(files []*os.File) (int, error) {
			got = namesOf(files)
			return 0, nil
		})
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v, want %v", kind, got, err, want)
		}
	}
	if want := []string{"remove vsock.0", "remove udp.x", "remove udp.01"}; !slices.Equal(store.log, want) {
		t.Errorf("the store was told %q, want %q", store.log, want)
	}
	if h.Keep(Port, []int{0, 1, 2}); len(store.log) != 3 {
		t.Errorf("what came from the store was stored again: %q", store.log)
	}
}

func TestWhatIsRefusedIsRemovedBeforeItIsOpenedAnew(t *testing.T) {
	store := &fakeStore{given: named(t, "tun.0", "tun.1")}
	h := New(store, slog.New(slog.DiscardHandler))
	_, err := GoOn(h, Device, func(files []*os.File) (int, error) {
		store.log = append(store.log, fmt.Sprint("open ", namesOf(files)))
		if len(files) > 0 {
			return 0, fmt.Errorf("tun: %w: they are old", inherit.ErrRefused)
		}
		return 1, nil
	})
	want := []string{"open [tun.0 tun.1]", "remove tun.0 tun.1", "open []", "store tun.0"}
	h.Keep(Device, []int{7})
	if err != nil || !slices.Equal(store.log, want) {
		t.Errorf("%v, %q, want %q", err, store.log, want)
	}
}

func TestASetThatIsNotWholeIsRefusedAndRemovedAsAWhole(t *testing.T) {
	for _, names := range [][]string{
		{"udp.1", "udp.2"},                   // the first is missing
		{"udp.0", "udp.2"},                   // one in between
		{"udp.0", "udp.0", "udp.1", "udp.2"}, // of two processes
		{"tcp.0", "tcp.1"},
		{"tcp.1"},
	} {
		store := &fakeStore{given: named(t, names...)}
		files := store.given
		kind, _, _ := strings.Cut(names[0], ".")
		h := New(store, slog.New(slog.DiscardHandler))
		opened, err := GoOn(h, kind, func(files []*os.File) (string, error) { return fmt.Sprint(namesOf(files)), nil })
		if err != nil || opened != "[]" {
			t.Errorf("%v: opened with %s, %v", names, opened, err)
		}
		if want := []string{"remove " + strings.Join(names, " ")}; !slices.Equal(store.log, want) {
			t.Errorf("%v: the store was told %q, want %q", names, store.log, want)
		}
		inherittest.Closed(t, files)
	}
}

func TestAnErrorThatIsNotAboutTheDescriptorsIsNotTriedAgain(t *testing.T) {
	h := New(&fakeStore{given: named(t, "udp.0")}, slog.New(slog.DiscardHandler))
	broken, opened := errors.New("broken"), 0
	_, err := GoOn(h, Port, func([]*os.File) (int, error) {
		opened++
		return 0, broken
	})
	if !errors.Is(err, broken) || opened != 1 {
		t.Errorf("%v after %d openings", err, opened)
	}
}

func TestADeviceThatIsOpenedAgainReplacesTheStoredOne(t *testing.T) {
	store := &fakeStore{}
	h := New(store, slog.New(slog.DiscardHandler))
	for range 2 {
		_, err := GoOn(h, Device, func([]*os.File) (int, error) {
			store.log = append(store.log, "open")
			return 0, nil
		})
		must(t, err)
		h.Keep(Device, []int{1, 2})
	}
	want := []string{"open", "store tun.0", "store tun.1", "remove tun.0 tun.1", "open", "store tun.0", "store tun.1"}
	if !slices.Equal(store.log, want) {
		t.Errorf("%q, want %q", store.log, want)
	}
}

func TestAPartOfThePortIsNotLeftInAStoreThatIsFull(t *testing.T) {
	store := &fakeStore{full: 2}
	h := New(store, slog.New(slog.DiscardHandler))
	h.Keep(Port, []int{1, 2, 3})
	if want := []string{"store udp.0", "store udp.1", "remove udp.0 udp.1"}; !slices.Equal(store.log, want) {
		t.Errorf("%q, want %q", store.log, want)
	}
	if !errors.Is(h.Failure(), errFull) || h.Keeps() {
		t.Errorf("failed %v, keeps %v", h.Failure(), h.Keeps())
	}
}

// unkept are sockets that their closing would shut down for all.
type unkept struct{}

func (unkept) Keep() error        { return errFull }
func (unkept) Descriptors() []int { return []int{0} }

func TestSocketsThatAStopWouldShutDownAreNotLeft(t *testing.T) {
	store := &fakeStore{given: named(t, "udp.0", "tcp.0")}
	h := New(store, slog.New(slog.DiscardHandler))
	for _, kind := range []string{Port, TCP} {
		_, err := GoOn(h, kind, func([]*os.File) (int, error) { return 0, nil })
		must(t, err)
	}
	h.KeepPort(unkept{})
	if want := []string{"remove udp.0"}; !slices.Equal(store.log, want) || h.Keeps() || !errors.Is(h.Failure(), errFull) {
		t.Errorf("the store was told %q, want %q; keeps %v, failure %v", store.log, want, h.Keeps(), h.Failure())
	}
}

func TestAStoreThatTakesADeviceAgainHasNotFailedAnyMore(t *testing.T) {
	store := &fakeStore{}
	h := New(store, slog.New(slog.DiscardHandler))
	h.devices = true
	h.Keep(Port, []int{1})
	h.Keep(TCP, []int{1})
	store.full = 1
	if h.Keep(Device, []int{1}); h.Keeps() || !errors.Is(h.Failure(), errFull) {
		t.Errorf("without the device: keeps %v, failure %v", h.Keeps(), h.Failure())
	}
	store.full = 0
	if h.Keep(Device, []int{1}); !h.Keeps() || h.Failure() != nil {
		t.Errorf("with the device: keeps %v, failure %v", h.Keeps(), h.Failure())
	}
}

func TestAStoreKeepsWhenItIsKnownToAndHasPortAndListener(t *testing.T) {
	for _, c := range []struct {
		store *fakeStore
		kinds []string
		want  bool
	}{
		{&fakeStore{}, []string{Port, TCP}, true},
		{&fakeStore{}, []string{Device, Port}, false},
		{&fakeStore{loses: true}, []string{Port, TCP}, false},
		{nil, nil, false},
	} {
		h := New(nil, slog.New(slog.DiscardHandler))
		if c.store != nil {
			h = New(c.store, slog.New(slog.DiscardHandler))
		}
		for _, kind := range c.kinds {
			h.Keep(kind, []int{1})
		}
		if h.Keeps() != c.want {
			t.Errorf("%+v with %v: keeps %v", c.store, c.kinds, h.Keeps())
		}
		if h.Discard(); h.Keeps() {
			t.Error("it keeps what was discarded")
		}
	}
}
