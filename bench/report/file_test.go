package report

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestWrittenReportReadsBackAlike(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "here")
	want := example()
	if err := Write(dir, want); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, filepath.Join(dir, FileName)} {
		if got, err := Read(path); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v\n%+v\n%+v", path, err, got, want)
		}
	}
}

func TestReportWithoutAFiniteFigureIsNotWritten(t *testing.T) {
	dir, r := t.TempDir(), example()
	r.Rows[0].Rounds[0].Value = math.NaN()
	if err := Write(dir, r); err == nil {
		t.Error("written")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestFieldsOfLaterVersionsAreIgnored(t *testing.T) {
	text, err := Encode(example())
	if err != nil {
		t.Fatal(err)
	}
	text = []byte(strings.Replace(string(text), `"complete"`, `"later": [1], "complete"`, 1))
	if _, err := Decode(text); err != nil {
		t.Error(err)
	}
}

func TestWhatIsNoReportIsRefusedInOneLine(t *testing.T) {
	whole, err := Encode(example())
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ text, want string }{
		"empty":            {"", "unexpected end"},
		"cut":              {string(whole[:len(whole)/2]), "unexpected end"},
		"other schema":     {`{"schema": "weft-bench/2"}`, `schema "weft-bench/2", this weft reads "weft-bench/1"`},
		"other JSON":       {`[1]`, "cannot unmarshal"},
		"other type":       {`{"schema": "weft-bench/1", "rows": 1}`, "cannot unmarshal"},
		"nothing in it":    {`{"schema": "weft-bench/1"}`, "0 rounds (and 2 more)"},
		"changed by hand":  {strings.Replace(string(whole), `"value": 10`, `"value": 11`, 1), "do not follow from the rounds"},
		"no JSON":          {"\x00\xff", "invalid character"},
		"long and strange": {`{"schema": "` + strings.Repeat("é\\n", 500) + `"}`, "schema"},
	} {
		path := filepath.Join(t.TempDir(), "old.json")
		if err := os.WriteFile(path, []byte(c.text), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := Read(path)
		if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error = %v, want %q", name, err, c.want)
		}
		if err != nil && (strings.Contains(err.Error(), "\n") || len(err.Error()) > 600) {
			t.Errorf("%s: not one line: %q", name, err)
		}
	}
}

func TestFileThatCannotBeReadIsNamedOnce(t *testing.T) {
	for _, path := range []string{"/nowhere/report.json", "/dev/zero", t.TempDir()} {
		_, err := Read(path)
		if err == nil || strings.Count(err.Error(), path) != 1 {
			t.Errorf("error = %v", err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	whole, err := Encode(example())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add([]byte(`{"schema": "weft-bench/1", "rows": [{}], "schedule": [{}], "checks": [{}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := Decode(text)
		if err != nil {
			if !errors.Is(err, ErrDamaged) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error = %v", err)
			}
			return
		}
		if _, err := Encode(r); err != nil {
			t.Errorf("read, but cannot be written: %v", err)
		}
		Compare(r, r)
	})
}
