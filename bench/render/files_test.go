package render

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/weftnet/weft/bench/report"
)

func TestTheInventedReportKeepsTheSchema(t *testing.T) {
	r := sample()
	r.Complete = false // it has no schedule
	if err := report.Validate(r); err != nil {
		t.Fatal(err)
	}
}

func TestThePageLinksToEveryChartAndToNoOther(t *testing.T) {
	for _, r := range []*report.Report{sample(), quick(), withoutMetrics(sample(), "udp"), {}} {
		files := Files(r)
		var linked []string
		for _, m := range regexp.MustCompile(`!\[[^]]*\]\(([^)]*)\)`).FindAllStringSubmatch(string(files[pageFile]), -1) {
			linked = append(linked, m[1])
		}
		for _, name := range linked {
			if files[name] == nil {
				t.Errorf("%s is linked, but not made", name)
			}
		}
		for name := range files {
			if name != pageFile && (!slices.Contains(linked, name) || !slices.Contains(chartFiles, name)) {
				t.Errorf("%s is made, but not linked or not known", name)
			}
		}
	}
}

// withoutMetrics drops the metrics that begin so.
func withoutMetrics(r *report.Report, prefix string) *report.Report {
	r.Metrics = slices.DeleteFunc(slices.Clone(r.Metrics), func(m report.Metric) bool { return strings.HasPrefix(m.ID, prefix) })
	r.Rows = slices.DeleteFunc(r.Rows, func(row report.Row) bool { return strings.HasPrefix(row.Metric, prefix) })
	return r
}

func TestTheSameReportGivesTheSameBytes(t *testing.T) {
	a, b := Files(sample()), Files(sample())
	for name := range a {
		if !bytes.Equal(a[name], b[name]) {
			t.Errorf("%s differs", name)
		}
	}
}

func TestWriteReplacesEverythingAndRemovesChartsOfAnEarlierReport(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "docs", "first")
	if err := Write(dir, sample()); err != nil {
		t.Fatal(err)
	}
	mine := filepath.Join(dir, "own.svg")
	if err := os.WriteFile(mine, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := withoutMetrics(sample(), "udp")
	if err := Write(dir, r); err != nil {
		t.Fatal(err)
	}
	var names []string
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if want := []string{"README.md", "cpu.svg", "latency.svg", "own.svg", "tcp.svg"}; !slices.Equal(names, want) {
		t.Errorf("files %v, want %v", names, want)
	}
	for name, want := range Files(r) {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what Files says (%v)", name, err)
		}
	}
}

func TestAFolderThatCannotBeMadeIsNamed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	err := Write(filepath.Join(file, "report"), sample())
	if err == nil || !strings.Contains(err.Error(), file) || strings.Contains(err.Error(), "\n") {
		t.Errorf("error %v, want one line that names %s", err, file)
	}
	if _, statErr := os.Stat(filepath.Join(file, "report")); statErr == nil || err == nil {
		t.Errorf("a report inside of a file: %v", fs.ErrExist)
	}
}

func TestWhatAReportSaysCannotBreakThePageOrAChart(t *testing.T) {
	const evil = "x|y</desc><script>alert(1)</script> `code` [a](b) \x00\x0b\u202e\ufffe"
	r := sample()
	r.Environment.CPU, r.Environment.Kernel = evil, evil
	r.Subjects[len(r.Subjects)-1].Unavailable = evil
	r.Subjects[0].Details = map[string]string{evil: evil}
	r.Metrics = slices.Clone(r.Metrics)
	r.Metrics[0].Title = evil
	r.Rows[2].Rounds[0].Error = evil
	for name, text := range Files(r) {
		if bytes.Contains(text, []byte("<script")) || bytes.Contains(text, []byte("\u202e")) {
			t.Errorf("%s holds markup of the report", name)
		}
		if name == pageFile {
			for _, line := range strings.Split(string(text), "\n") {
				if strings.HasPrefix(line, "| kernel") && strings.Count(strings.ReplaceAll(line, `\|`, ""), "|") != 3 {
					t.Errorf("a cell broke the table: %s", line)
				}
			}
		} else if err := wellFormed(text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheCommandMeasuresTheSameAgain(t *testing.T) {
	for _, c := range []struct {
		options report.Options
		want    string
	}{
		{report.Options{Preset: "standard", Rounds: 5, MTU: 1500}, "sudo weft bench"},
		{report.Options{Preset: "quick", Rounds: 3, MTU: 9000, OverlayMTU: 1400, Rate: 1e9}, "sudo weft bench --quick --rounds 3 --mtu 9000 --overlay-mtu 1400 --rate 1G"},
		{report.Options{Preset: "full", Rounds: 5, MTU: 1500, Rate: 2_500_000_000, Subjects: []string{"vxlan"}, Measures: []string{"tcp1", "mtu"}},
			"sudo weft bench --full --rate 2500M \\\n    --only vxlan \\\n    --only tcp1,mtu"},
		{report.Options{Preset: "standard", Subjects: []string{"a b$(reboot)'"}}, `sudo weft bench \` + "\n" + `    --only 'a b$(reboot)'\'''`},
	} {
		if got := command(c.options); got != c.want {
			t.Errorf("command(%+v) = %q, want %q", c.options, got, c.want)
		}
	}
}

func TestChartsSayInWordsWhatTheyShow(t *testing.T) {
	text := string(Files(sample())["tcp.svg"])
	for _, want := range []string{`role="img"`, `<title id="t">TCP throughput</title>`, "vxlan 9.94 Gbit/s, 1.00 times vxlan;"} {
		if !strings.Contains(text, want) {
			t.Errorf("tcp.svg lacks %q", want)
		}
	}
}
