package vectors

import (
	"fmt"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Document is docs/protocol.md, whose tables are compared with the code.
type Document struct {
	constants map[string]string   // by name, such as encap.WindowSize
	keys      map[string][]uint64 // of CBOR maps, by the name of the type
	labels    []string
}

var (
	constantRow = regexp.MustCompile("^\\| `([a-z]+\\.[A-Za-z.0-9]+)` \\| ([^| ]+) \\|")
	labelRow    = regexp.MustCompile("^\\| `(weft 1[^`]*)` \\|")
	keyRow      = regexp.MustCompile(`^\| (\d+) \|`)
	keysMark    = regexp.MustCompile(`^<!-- keys: ([A-Za-z.]+) -->$`)
)

// ReadDocument reads the document at a path.
func ReadDocument(t testing.TB, path string) *Document {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	d, keys := &Document{constants: map[string]string{}, keys: map[string][]uint64{}}, ""
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimSpace(line)
		switch {
		case keysMark.MatchString(line):
			keys = keysMark.FindStringSubmatch(line)[1]
		case !strings.HasPrefix(line, "|"):
			keys = ""
		case keys != "" && keyRow.MatchString(line):
			n, _ := strconv.ParseUint(keyRow.FindStringSubmatch(line)[1], 10, 64) // digits
			d.keys[keys] = append(d.keys[keys], n)
		case constantRow.MatchString(line):
			m := constantRow.FindStringSubmatch(line)
			d.constants[m[1]] = m[2]
		case labelRow.MatchString(line):
			d.labels = append(d.labels, labelRow.FindStringSubmatch(line)[1])
		}
	}
	return d
}

// Labels are the labels of all tables.
func (d *Document) Labels() []string { return d.labels }

// CheckConstants fails the test unless the rows of a room's constants are just these, with these values.
func (d *Document) CheckConstants(t testing.TB, room string, code map[string]any) {
	t.Helper()
	for name, text := range d.constants {
		if own, ok := strings.CutPrefix(name, room+"."); ok && code[own] == nil {
			t.Errorf("protocol.md has %s = %s, and this test does not", name, text)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(code)) {
		if text, ok := d.constants[room+"."+name]; !ok || !sameValue(text, code[name]) {
			t.Errorf("protocol.md has %s.%s = %q, the code has %v", room, name, text, code[name])
		}
	}
}

// sameValue reports whether a cell of a table is a value: a duration, or a number, perhaps a power.
func sameValue(text string, v any) bool {
	if d, ok := v.(time.Duration); ok {
		got, err := time.ParseDuration(text)
		return err == nil && got == d
	}
	if base, exponent, ok := strings.Cut(text, "^"); ok && base == "2" {
		n, err := strconv.Atoi(exponent)
		return err == nil && n < 64 && numberOf(v) == 1<<n
	}
	n, err := strconv.ParseUint(text, 10, 64)
	return err == nil && numberOf(v) == n
}

func numberOf(v any) uint64 {
	if r := reflect.ValueOf(v); r.CanUint() {
		return r.Uint()
	} else if r.CanInt() && r.Int() >= 0 {
		return uint64(r.Int())
	}
	panic(fmt.Sprintf("vectors: %v is no number", v))
}

// CheckKeys fails the test unless the table of a type's CBOR keys has the keys of the type.
func (d *Document) CheckKeys(t testing.TB, types ...any) {
	t.Helper()
	for _, v := range types {
		typ := reflect.TypeOf(v)
		var keys []uint64
		for i := range typ.NumField() {
			number, _, _ := strings.Cut(typ.Field(i).Tag.Get("cbor"), ",")
			n, err := strconv.ParseUint(number, 10, 64)
			if err != nil {
				t.Fatalf("%s: field %s has no key", typ, typ.Field(i).Name)
			}
			keys = append(keys, n)
		}
		if got := d.keys[typ.String()]; !slices.Equal(got, keys) {
			t.Errorf("protocol.md has the keys %v of %s, the code has %v", got, typ, keys)
		}
		delete(d.keys, typ.String())
	}
	room := reflect.TypeOf(types[0]).String()
	room = room[:strings.Index(room, ".")+1]
	for name := range d.keys {
		if strings.HasPrefix(name, room) {
			t.Errorf("protocol.md has keys of %s, and this test does not", name)
		}
	}
}
