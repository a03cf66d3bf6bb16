package ipam

import (
	"errors"
	"os"
	"testing"
	"time"
)

// host is the interfaces of a host, and how often somebody asked for them.
type host struct {
	names map[string]bool
	asked int
}

func (h *host) list() (map[string]bool, error) {
	h.asked++
	return h.names, nil
}

func free(t *testing.T, w *Watch, h *host) []Record {
	t.Helper()
	freed, err := w.Free(t.Context(), h.list)
	must(t, err)
	return freed
}

func TestARecordWhoseHostEndIsMissingForAMinuteIsFreedAndItsAddressGivenAtOnce(t *testing.T) {
	b, c := newBook(t)
	reserve(t, b, request("a", "10.0.0.0/30"))
	w, h := b.Watch(), &host{}
	for range 15 { // every 4 s, as the daemon does
		if freed := free(t, w, h); len(freed) > 0 {
			t.Fatalf("freed %v after %v", freed, c.uptime-time.Hour)
		}
		c.after(4 * time.Second)
	}
	freed := free(t, w, h)
	if len(freed) != 1 || freed[0].Container != "a" {
		t.Fatalf("freed %v", freed)
	}
	wantAddresses(t, reserve(t, b, request("b", "10.0.0.0/30")), "10.0.0.2")
}

func TestAHostEndThatComesBackBeginsAnew(t *testing.T) {
	b, c := newBook(t)
	reserve(t, b, request("a", "10.0.0.0/24"))
	w, h := b.Watch(), &host{}
	free(t, w, h)
	c.after(VanishedAfter - time.Second)
	h.names = map[string]bool{"wv-a": true}
	free(t, w, h)
	h.names = nil
	free(t, w, h)
	c.after(VanishedAfter - time.Second)
	if freed := free(t, w, h); len(freed) > 0 {
		t.Errorf("freed %v", freed)
	}
	c.after(time.Second)
	if freed := free(t, w, h); len(freed) != 1 {
		t.Errorf("freed %v", freed)
	}
}

func TestAnAttachmentThatIsMadeAnewIsNotFreedForItsPredecessor(t *testing.T) {
	b, c := newBook(t)
	reserve(t, b, request("a", "10.0.0.0/24"))
	w, h := b.Watch(), &host{}
	free(t, w, h)
	c.after(VanishedAfter)
	release(t, b, Key{"a", "eth0"})
	reserve(t, b, request("a", "10.0.0.0/24"))
	if freed := free(t, w, h); len(freed) > 0 {
		t.Errorf("freed %v", freed)
	}
}

func TestAHostEndThatAppearsBeforeTheLockIsTakenSavesItsRecord(t *testing.T) {
	b, c := newBook(t)
	reserve(t, b, request("a", "10.0.0.0/24"))
	w, h := b.Watch(), &host{}
	free(t, w, h)
	c.after(VanishedAfter)
	asked := 0
	freed, err := w.Free(t.Context(), func() (map[string]bool, error) {
		asked++
		return map[string]bool{"wv-a": asked > 1}, nil
	})
	if err != nil || len(freed) > 0 || asked != 2 {
		t.Errorf("freed %v, %v; asked %d times", freed, err, asked)
	}
}

func TestWithoutAnythingDueNothingIsLockedOrWritten(t *testing.T) {
	b, _ := newBook(t)
	w, h := b.Watch(), &host{names: map[string]bool{"wv-a": true}}
	free(t, w, h)
	if h.asked != 0 {
		t.Errorf("it lists interfaces where nothing is held")
	}
	reserve(t, b, request("a", "10.0.0.0/24"))
	before, err := os.Stat(b.Path())
	must(t, err)
	unlock, err := b.lock.acquire(t.Context())
	must(t, err)
	defer unlock()
	free(t, w, h)
	if after, err := os.Stat(b.Path()); err != nil || !os.SameFile(before, after) {
		t.Errorf("the book was written: %v", err)
	}
}

func TestWhatEarlierBootsHeldIsFreedAndNamed(t *testing.T) {
	dir, c := t.TempDir(), &clock{uptime: time.Hour}
	b := open(t, dir, c.options())
	reserve(t, b, request("a", "10.0.0.0/24"))
	reserve(t, b, request("b", "10.0.0.0/24"))
	release(t, b, Key{"b", "eth0"})
	o := c.options()
	o.BootID = "22222222-2222-2222-2222-222222222222"
	w := open(t, dir, o).Watch()
	if freed := free(t, w, &host{}); len(freed) != 1 || freed[0].Container != "a" {
		t.Errorf("freed %v", freed)
	}
	if freed := free(t, w, &host{}); len(freed) != 0 {
		t.Errorf("freed again: %v", freed)
	}
}

func TestInterfacesThatCannotBeListedFreeNothing(t *testing.T) {
	b, c := newBook(t)
	reserve(t, b, request("a", "10.0.0.0/24"))
	w := b.Watch()
	free(t, w, &host{})
	c.after(VanishedAfter)
	broken := errors.New("no netlink")
	if freed, err := w.Free(t.Context(), func() (map[string]bool, error) { return nil, broken }); !errors.Is(err, broken) || len(freed) > 0 {
		t.Errorf("freed %v, %v", freed, err)
	}
	if freed := free(t, w, &host{}); len(freed) != 1 {
		t.Errorf("later: %v", freed)
	}
}
