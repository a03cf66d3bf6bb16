package render

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares got to testdata/name.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (go test ./bench/render -update writes it)", err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what it was; look at it, then: go test ./bench/render -update", path)
	}
}

func TestAReportGivesTheSamePageAndChartsAsBefore(t *testing.T) {
	for name, text := range Files(sample()) {
		golden(t, name, text)
	}
}

func TestATableLooksAsBefore(t *testing.T) {
	for name, width := range map[string]int{"table.txt": 0, "table80.txt": 80} {
		var b bytes.Buffer
		if err := Table(&b, sample(), width); err != nil {
			t.Fatal(err)
		}
		golden(t, name, b.Bytes())
	}
}
