package between

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/weftnet/weft/bench/render"
	"github.com/weftnet/weft/bench/report"
)

const (
	titleWidth = 24 // "UDP, 1350 bytes, there"
	cellWidth  = 24 // "9.41 Gbit/s 9.12–9.60 !"
	ratioWidth = 18 // "overlay/underlay", and room
)

// Table writes the report for a terminal: a line for each metric with its median, lowest and highest figure over each path,
// and the median of the rounds' ratios.
func Table(w io.Writer, r *Report) error {
	t := &table{report: r}
	t.head()
	t.paths()
	t.rows()
	t.notes()
	_, err := io.WriteString(w, t.text.String())
	return err
}

// table is a text under way.
type table struct {
	report *Report
	text   strings.Builder
	failed bool // a row has rounds without figure
	bound  bool // a row is bound by the sender
	short  bool // a row lacks p99.9
}

func (t *table) line(format string, args ...any) {
	t.text.WriteString(strings.TrimRight(fmt.Sprintf(format, args...), " ") + "\n")
}

func (t *table) head() {
	r := t.report
	t.line("from  %s", r.Here.text())
	t.line("to    %s", r.There.text())
	unfinished := ""
	if !r.Complete {
		unfinished = "; not complete"
	}
	t.line("%s%s, TCP transfers of %g s%s", r.Started.UTC().Format("2006-01-02 15:04 UTC, "), count(r.Rounds, "round"), r.Duration, unfinished)
	t.line("")
}

// text is "vm-1 (weft v1.0.0; Linux 6.18, amd64, 2 cores)".
func (s Side) text() string {
	node := s.Node
	if node == "" {
		node = "a host without daemon"
	}
	return fmt.Sprintf("%s (weft %s; %s)", printable(node), printable(s.Weft), printable(s.Host))
}

func (t *table) paths() {
	for _, p := range t.report.Paths {
		if p.Unavailable != "" {
			t.line("%-10s not measured: %s", p.Name, printable(p.Unavailable))
			continue
		}
		t.line("%-10s %s by %s, MTU %d", p.Name, p.Address, printable(p.Device), p.MTU)
		if p.TCP != "" {
			t.line("%-10s TCP not measured: %s", "", printable(p.TCP))
		}
		if p.UDP != "" {
			t.line("%-10s UDP not measured: %s", "", printable(p.UDP))
		}
	}
	t.line("")
}

func (t *table) rows() {
	t.line("%s", pad("", titleWidth)+t.columns(func(p *Path) string { return p.Name })+t.ratioTitle())
	for _, m := range t.report.Metrics {
		cells := t.columns(func(p *Path) string { return t.cell(p, m) })
		t.line("%s", pad(m.Title, titleWidth)+cells+pad(t.ratio(m), ratioWidth)+t.beside(m))
	}
}

// columns are the cells of a line, one for each path.
func (t *table) columns(cell func(*Path) string) string {
	var text strings.Builder
	for _, p := range t.report.Paths {
		text.WriteString(pad(cell(p), cellWidth) + "  ")
	}
	return text.String()
}

func (t *table) ratioTitle() string {
	if len(t.report.Paths) < 2 {
		return ""
	}
	return "overlay/underlay"
}

// cell is "9.41 Gbit/s 9.12–9.60" with marks.
func (t *table) cell(p *Path, m report.Metric) string {
	row := t.report.row(p.Name, m.ID)
	if row == nil || row.Stats == nil {
		if row != nil && len(row.Rounds) > 0 {
			t.failed = true
			return "failed"
		}
		t.short = t.short || t.isShort(p, m)
		return "–"
	}
	text := render.Figure(m.Unit, row.Stats.Median)
	if row.Stats.Count > 1 {
		text += " " + render.Span(m.Unit, row.Stats.Low, row.Stats.Median, row.Stats.High)
	}
	if row.Stats.Count < len(row.Rounds) {
		t.failed = true
		text += " !"
	}
	if bound := row.Detail["sender-bound"]; bound.Count > 0 {
		t.bound = true
		text += " +"
	}
	return text
}

// isShort reports whether a metric has no figure because the series, which has others, was too short for it.
func (t *table) isShort(p *Path, m report.Metric) bool {
	series, tail := strings.CutSuffix(m.ID, tailSuffix)
	if !tail {
		return false
	}
	median := t.report.row(p.Name, series+"-p50")
	return median != nil && median.Stats != nil
}

func (t *table) ratio(m report.Metric) string {
	row := t.report.row(Overlay, m.ID)
	if row == nil {
		return ""
	}
	ratio, ok := row.Ratios[Underlay]
	if !ok {
		return ""
	}
	return render.Ratio(ratio.Median)
}

// beside is what went wrong on the way, in the order of the paths: "retransmits 12 and 0". It is empty where nothing did.
func (t *table) beside(m report.Metric) string {
	for _, name := range []string{"retransmits", "loss", "lost"} {
		var texts []string
		seen := false
		for _, p := range t.report.Paths {
			text := "–"
			if d, ok := t.report.row(p.Name, m.ID).Detail[name]; ok && d.Count > 0 {
				text, seen = besideText(name, d.Median), seen || d.High > 0
			}
			texts = append(texts, text)
		}
		if seen {
			return name + " " + strings.Join(texts, " and ")
		}
	}
	return ""
}

// besideText writes a count, or a share as percent.
func besideText(name string, v float64) string {
	if name == "loss" {
		return fmt.Sprintf("%.2g %%", v*100)
	}
	return fmt.Sprintf("%.0f", v)
}

func (t *table) notes() {
	var notes []string
	if t.failed {
		notes = append(notes, "!  rounds failed: "+t.firstError())
	}
	if t.bound {
		notes = append(notes, "+  in some rounds the sender or the limit was reached before the path was")
	}
	if t.short {
		notes = append(notes, fmt.Sprintf("–  99.9 %% takes series of %d round trips or more: longer transfers have them", tailSamples))
	}
	if t.report.MaxRate > 0 {
		notes = append(notes, fmt.Sprintf("The other side allows %s; TCP from here cannot be held to it and is left out. Answers wait for their turn, which is in the round trips.",
			render.Figure("bit/s", float64(t.report.MaxRate))))
	}
	for _, c := range t.report.Checks {
		if !c.OK {
			notes = append(notes, fmt.Sprintf("FAILED: %s: %s", c.Subject, c.Detail))
		}
	}
	if len(notes) > 0 {
		t.line("")
	}
	for _, n := range notes {
		t.line("%s", printable(n))
	}
}

// firstError is the one that the first failed round gives.
func (t *table) firstError() string {
	for _, row := range t.report.Rows {
		if i := slices.IndexFunc(row.Rounds, func(s report.Sample) bool { return s.Error != "" }); i >= 0 {
			return fmt.Sprintf("%s, %s, round %d: %s", row.Subject, row.Metric, row.Rounds[i].Round, row.Rounds[i].Error)
		}
	}
	return "the report says which"
}

// pad fills text up to a width in characters.
func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(text)))
}
