package metrics

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weftnet/weft/router"
)

// With -update the table in docs/metrics.md is written anew.
var update = flag.Bool("update", false, "write the table in docs/metrics.md")

const (
	documentFile = "docs/metrics.md"
	tableBegin   = "<!-- metrics: begin -->\n"
	tableEnd     = "<!-- metrics: end -->"
)

func TestTheTableInTheDocumentIsThatOfTheExporter(t *testing.T) {
	text := string(read(t, documentFile))
	begin, end := strings.Index(text, tableBegin), strings.Index(text, tableEnd)
	if begin < 0 || end < begin {
		t.Fatalf("%s has no place for the table", documentFile)
	}
	begin += len(tableBegin)
	want := documentTable(t)
	switch {
	case text[begin:end] == want:
	case *update:
		if err := os.WriteFile(filepath.Join(root, documentFile), []byte(text[:begin]+want+text[end:]), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s is not what the exporter has; write it with: go test ./node/metrics -run Table -update", documentFile)
	}
}

// documentTable lists the families with the values of labels that have a closed list of them.
func documentTable(t *testing.T) string {
	families := exported(t)
	var b strings.Builder
	fmt.Fprintln(&b, "| metric | type | labels | meaning |\n|---|---|---|---|")
	for _, f := range Families() {
		values := labelValues(families[f.Name])
		labels := make([]string, len(f.Labels))
		for i, name := range f.Labels {
			labels[i] = "`" + name + "`" + listed(name, values[name])
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.Name, f.Type, strings.Join(labels, ", "), f.Help)
	}
	return b.String()
}

// listed are a label's values, where they are few and known.
func listed(label string, values []string) string {
	if slices.Contains(openLabels, label) || label == "reason" || label == "driver" || label == "encryption" {
		return ""
	}
	slices.Sort(values)
	return " (" + strings.Join(slices.Compact(values), ", ") + ")"
}

func TestTheDocumentSaysHowManySeriesThereAre(t *testing.T) {
	text := string(read(t, documentFile))
	for _, want := range []string{fmt.Sprintf("%d more for each peer", PerPeer), fmt.Sprintf("some %d·N²", PerPeer)} {
		if !strings.Contains(text, want) {
			t.Errorf("%s does not say %q", documentFile, want)
		}
	}
	if nodeSeries < 120 || nodeSeries > 160 {
		t.Errorf("%s says about 140, and it is %d", documentFile, nodeSeries)
	}
}

func TestEveryDropReasonIsExplainedWithItsDirection(t *testing.T) {
	text := string(read(t, "docs/troubleshooting.md"))
	for _, reason := range router.Reasons() {
		direction := directionIn
		if reason.Outbound() {
			direction = directionOut
		}
		if row := fmt.Sprintf("| `%s` | %s | ", reason, direction); !strings.Contains(text, row) {
			t.Errorf("docs/troubleshooting.md has no row %q", row)
		}
	}
}
