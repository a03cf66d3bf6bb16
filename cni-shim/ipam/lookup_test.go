package ipam

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// Pods are named like containers here, so that lines of others have the name that is looked for.
func TestARecordIsFoundByItsLineAsInTheWholeBook(t *testing.T) {
	b, clock := newBook(t)
	earlier := clock.options()
	earlier.BootID = "22222222-2222-2222-2222-222222222222"
	reserve(t, open(t, dirOf(b), earlier), request("before", "10.244.1.0/24"))
	for _, name := range []string{"a", "aa", "b"} {
		reserve(t, b, request(name, "10.244.1.0/24"))
	}
	second := request("a", "10.244.1.0/24")
	second.IfName = "eth1"
	reserve(t, b, second)
	like := request("c", "10.244.1.0/24")
	like.Pod.Name = "a"
	reserve(t, b, like)
	release(t, b, Key{"b", "eth0"})

	for _, k := range []Key{{"a", "eth0"}, {"a", "eth1"}, {"a", "eth2"}, {"aa", "eth0"}, {"b", "eth0"}, {"c", "eth0"}, {"before", "eth0"}, {"none", "eth0"}} {
		got, found, err := b.Lookup(k)
		must(t, err)
		c, err := b.current()
		must(t, err)
		want := c.held(k)
		if found != (want != nil) || found && !reflect.DeepEqual(got, *want) {
			t.Errorf("%v: %v %+v, the whole book says %+v", k, found, got, want)
		}
	}
}

func TestABookThatIsNotAsItWasWrittenIsReadAsAWhole(t *testing.T) {
	b, _ := newBook(t)
	want := reserve(t, b, request("a", "10.244.1.0/24"))
	reserve(t, b, request("b", "10.244.1.0/24"))
	text, err := os.ReadFile(b.Path())
	must(t, err)

	var indented bytes.Buffer
	must(t, json.Indent(&indented, text, "", "  "))
	must(t, os.WriteFile(b.Path(), indented.Bytes(), 0o600))
	if got, found, err := b.Lookup(want.Key); err != nil || !found || !reflect.DeepEqual(got, want) {
		t.Errorf("indented: %v %+v, %v", found, got, err)
	}
	for name, damaged := range map[string][]byte{
		"empty": {}, "cut": text[:len(text)-5], "in its line": bytes.Replace(text, []byte(`"state":"held"`), []byte(`"state":"hold"`), 1),
	} {
		must(t, os.WriteFile(b.Path(), damaged, 0o600))
		var wrong *DamagedError
		if _, _, err := b.Lookup(want.Key); !errors.As(err, &wrong) {
			t.Errorf("%s: %v, want a DamagedError", name, err)
		}
	}
}

// dirOf is the state directory of a book.
func dirOf(b *Book) string { return filepath.Dir(filepath.Dir(b.Path())) }
