package render

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/weftnet/weft/bench/report"
)

// Comparison writes what changed from one run to another: first how much of it counts, then the differences of the
// environments, then metric by metric what became of each subject.
func Comparison(w io.Writer, c *report.Comparison) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "Compared: %s\n    with: %s\n%s\n", runText(c.New), runText(c.Old), verdict(c))
	list(b, "DIFFERENT AROUND THE RUNS (what changed may come from this)", c.Environment)
	if _, err := changes(c).write(b, 0); err != nil {
		return fmt.Errorf("render: write comparison: %w", err)
	}
	list(b, "ONLY IN THE OLD RUN", c.OnlyOld)
	list(b, "ONLY IN THE NEW RUN", c.OnlyNew)
	if len(c.Changes) > 0 {
		fmt.Fprintf(b, "\n%s\n", comparisonNote(c))
	}
	if err := b.Flush(); err != nil {
		return fmt.Errorf("render: write comparison: %w", err)
	}
	return nil
}

func runText(r report.Run) string {
	text := fmt.Sprintf("%s, %s, %s", moment(r.Started), r.Preset, version(report.Environment{Weft: r.Weft, Commit: r.Commit}))
	if !r.Complete {
		text += ", not complete"
	}
	return clean(text)
}

// verdict sums up the changes.
func verdict(c *report.Comparison) string {
	if len(c.Changes) == 0 {
		return "The two runs have no figure in common."
	}
	var beyond, better, worse, few int
	for _, ch := range c.Changes {
		beyond += one(ch.Beyond)
		better += one(ch.Effect == report.Better)
		worse += one(ch.Effect == report.Worse)
		few += one(ch.TooFew)
	}
	text := fmt.Sprintf("%d of %d figures changed beyond the noise: %d better, %d worse", beyond, len(c.Changes), better, worse)
	if other := beyond - better - worse; other > 0 {
		text += fmt.Sprintf(", %d otherwise", other)
	}
	if few > 0 {
		text += fmt.Sprintf("; %d have too few rounds to tell", few)
	}
	return text + "."
}

func one(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

func changes(c *report.Comparison) *grid {
	g := &grid{columns: []column{{left: true}, {}, {}, {}, {left: true}, {left: true}}}
	for _, m := range c.Metrics {
		first := true
		for _, ch := range c.Changes {
			if ch.Metric != m.ID {
				continue
			}
			if first {
				g.changeHead(m)
				first = false
			}
			g.row(" "+clean(ch.Subject), basisText(ch, m, ch.Old), basisText(ch, m, ch.New), change(ch.Change), noise(ch), effect(ch))
		}
	}
	return g
}

// changeHead begins a metric; the first one also names the columns.
func (g *grid) changeHead(m report.Metric) {
	if len(g.lines) == 0 {
		g.across("")
		g.row("", "old", "new", "change", "noise", "")
	}
	g.across(clean(m.Title) + better(m))
}

// basisText writes a median: a ratio as "0.43 ×", a value with its unit.
func basisText(ch report.Change, m report.Metric, s report.Stats) string {
	if ch.Basis == report.BasisRatio {
		return Ratio(s.Median) + " ×"
	}
	return Figure(m.Unit, s.Median)
}

func change(share float64) string {
	if !finite(share) {
		return missing
	}
	return fmt.Sprintf("%+.1f %%", share*100)
}

func noise(ch report.Change) string {
	if ch.TooFew || !finite(ch.Noise) {
		return missing
	}
	return fmt.Sprintf("±%.1f %%", math.Abs(ch.Noise)*100)
}

// effect is what a reader should take from the line.
func effect(ch report.Change) string {
	switch {
	case ch.TooFew:
		return "too few rounds"
	case !ch.Beyond:
		return ""
	case ch.Effect == "":
		return "changed"
	}
	return strings.ToUpper(ch.Effect)
}

func comparisonNote(c *report.Comparison) string {
	text := "A change counts when it is larger than the noise, which follows from the spread of both runs."
	for _, ch := range c.Changes {
		if ch.Basis == report.BasisRatio {
			return text + "\n×: ratio to vxlan of the same round; figures with a unit are absolute, so a faster or busier machine changes them too."
		}
	}
	return text + "\nAll figures are absolute, so a faster or busier machine changes them too: measure vxlan beside the others."
}

// list writes a heading and indented lines; nothing without lines.
func list(w io.Writer, heading string, lines []string) {
	if len(lines) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s\n", heading)
	for _, line := range lines {
		fmt.Fprintf(w, "  %s\n", clean(line))
	}
}
