package vectors

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

var write = flag.Bool("vectors", false, "write the files of known answers that are missing")

// Hex is bytes that are hexadecimal digits in JSON.
type Hex []byte

// MarshalText implements encoding.TextMarshaler.
func (h Hex) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(h)), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *Hex) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

// Check fails the test unless got, as JSON, is what testdata/vectors/name.json of the test's package holds, and returns what
// the file holds. A file that is there is never written: known answers do not change.
func Check[T any](t testing.TB, name string, got T) (want T) {
	t.Helper()
	made := text(t, got)
	path := filepath.Join("testdata", "vectors", name+".json")
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && *write {
		raw = made
		err = os.WriteFile(path, made, 0o644)
	}
	if err != nil {
		t.Fatalf("%v (with -args -vectors it is written)", err)
	}
	if err := json.Unmarshal(raw, &want); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if held := text(t, want); !bytes.Equal(made, held) {
		t.Errorf("%s holds\n%s\nbut now it is\n%s", path, held, made)
	}
	return want
}

func text(t testing.TB, v any) []byte {
	t.Helper()
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(raw, '\n')
}

// Equal fails the test unless the second implementation came to the known answer.
func Equal(t testing.TB, what string, known Hex, again []byte) {
	t.Helper()
	if !bytes.Equal(known, again) {
		t.Errorf("%s: the known answer is %x, the second implementation makes %x", what, []byte(known), again)
	}
}

// Count is n bytes: first, first+1, and so on.
func Count(first byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = first + byte(i)
	}
	return b
}
