package render

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/weftnet/weft/bench/report"
)

// Table writes the report for a terminal of width characters (0: unlimited). Where there is no room, columns are left out
// and a footnote names them; names, medians and the first ratio always stay, so lines of a very narrow terminal may be longer.
func Table(w io.Writer, r *report.Report, width int) error {
	b := bufio.NewWriter(w)
	t := &table{view: newView(r), out: b, width: width}
	if err := t.write(); err != nil {
		return fmt.Errorf("render: write table: %w", err)
	}
	if err := b.Flush(); err != nil {
		return fmt.Errorf("render: write table: %w", err)
	}
	return nil
}

// table writes one report. Errors of out are kept by the bufio.Writer until it is flushed.
type table struct {
	*view
	out   *bufio.Writer
	width int
}

func (t *table) write() error {
	t.lines(t.headline(), 2)
	t.lines(machine(t.Environment), 2)
	if !t.Complete {
		t.lines(unfinished(t.Report), 2)
	}
	dropped, err := t.figures().write(t.out, t.width)
	if err != nil {
		return err
	}
	t.unavailable()
	t.checks()
	t.failed()
	t.footnotes(dropped)
	return nil
}

func (t *table) headline() string {
	return clean(fmt.Sprintf("weft bench, %s: %s, %s, %s", t.Options.Preset, rounds(t.Options.Rounds), moment(t.Started), conditions(t.Options)))
}

// columns of the figures: name, median, marks, spread, one for each reference, retransmits, drops, notes.
func (t *table) columns() []column {
	columns := []column{{left: true}, {}, {left: true, near: true}, {drop: 1, name: "spread"}}
	for i, reference := range t.references {
		columns = append(columns, column{drop: 2 * i, name: "ratio to " + reference})
	}
	return append(columns, column{drop: 3, name: "retransmits"}, column{drop: 4, name: "drops"}, column{left: true, drop: 5, name: "notes"})
}

func (t *table) figures() *grid {
	g := &grid{columns: t.columns()}
	for _, group := range groupsOf(t.Metrics) {
		g.across("")
		g.row(t.heads(group.title)...)
		for _, m := range group.metrics {
			t.metricRows(g, m)
		}
	}
	return g
}

func (t *table) heads(title string) []string {
	heads := []string{strings.ToUpper(title), "median", "", "low–high"}
	for _, reference := range t.references {
		heads = append(heads, "/"+reference)
	}
	return append(heads, "retr", "drops", "")
}

func (t *table) metricRows(g *grid, m report.Metric) {
	if !t.measured(m.ID) {
		return
	}
	g.across(clean(m.Title) + better(m))
	for _, s := range t.ran {
		row := t.row(s.Name, m.ID)
		if row == nil {
			continue
		}
		c := t.cells(row, m.Unit)
		texts := append([]string{" " + clean(s.Name), c.median, c.marks, c.spread}, c.ratios...)
		g.row(append(texts, c.retrans, c.drops, clean(c.notes))...)
	}
}

func (t *table) unavailable() {
	if len(t.cannot) == 0 {
		return
	}
	t.lines("", 0)
	t.lines("NOT MEASURED", 0)
	for _, s := range t.cannot {
		t.lines(clean(s.Name)+": "+clean(s.Unavailable), 4)
	}
}

func (t *table) checks() {
	t.lines("", 0)
	t.lines("CHECKS", 0)
	for _, line := range t.checkLines() {
		t.lines(line, 4)
	}
}

func (t *table) failed() {
	list := t.failures()
	if len(list) == 0 {
		return
	}
	t.lines("", 0)
	t.lines("FAILED STEPS", 0)
	for _, f := range list {
		t.lines(fmt.Sprintf("%s %s, %s: %s", clean(f.subject), clean(f.measure), f.when(t.Options.Rounds), clean(f.reason)), 4)
	}
}

func (t *table) footnotes(dropped []string) {
	t.lines("", 0)
	t.lines("Median, lowest and highest of the rounds. /: median of the ratios taken within each round. "+
		"retr: TCP segments sent again. drops: packets that any device or socket of the subject dropped.", 2)
	for _, line := range t.explainMarks() {
		t.lines(line, 2)
	}
	if len(dropped) > 0 {
		t.lines("Not shown for want of width: "+strings.Join(dropped, ", ")+".", 2)
	}
}

// lines writes text, wrapped.
func (t *table) lines(text string, hang int) {
	for _, line := range wrap(text, t.width, hang) {
		fmt.Fprintln(t.out, line)
	}
}
