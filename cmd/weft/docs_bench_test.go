package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/weftnet/weft/bench"
	"github.com/weftnet/weft/bench/render"
	"github.com/weftnet/weft/bench/report"
)

// word is a name or flag in the text of the method.
var (
	codeWord = regexp.MustCompile("`([a-z0-9-]+)`")
	flagWord = regexp.MustCompile("--([a-z][a-z-]+)")
)

func TestTheMethodNamesEverySubjectMeasureAndFlag(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs/bench/method.md"))
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, m := range codeWord.FindAllStringSubmatch(string(text), -1) {
		words = append(words, m[1])
	}
	drivers := regexp.MustCompile(`^weft-[a-z]+-(clear|sealed)$`) // they are described once for all drivers
	for _, name := range append(bench.Subjects(), bench.Measures()...) {
		if !slices.Contains(words, name) && !drivers.MatchString(name) {
			t.Errorf("docs/bench/method.md does not tell of %s", name)
		}
	}
	flags := newBench().Flags()
	for _, m := range flagWord.FindAllStringSubmatch(string(text), -1) {
		if flags.Lookup(m[1]) == nil {
			t.Errorf("docs/bench/method.md tells of --%s, which 'weft bench' does not have", m[1])
		}
	}
}

func TestCommittedReportsAreCompleteAndTheirPagesAreGenerated(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "docs/bench/*/report.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("there is no report: %v", err)
	}
	for _, file := range files {
		r, err := report.Read(file)
		if err != nil {
			t.Error(err)
			continue
		}
		if !r.Complete || r.Options.Rounds < 5 {
			t.Errorf("%s: complete %t, %d rounds", file, r.Complete, r.Options.Rounds)
		}
		for name, want := range render.Files(r) {
			page := filepath.Join(filepath.Dir(file), name)
			if got, err := os.ReadFile(page); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s is not what its report.json gives (weft bench --show %s): %v", page, filepath.Dir(page), err)
			}
		}
	}
}
