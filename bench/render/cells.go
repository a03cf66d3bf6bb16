package render

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weftnet/weft/bench/report"
)

// The marks, which explainMarks explains.
const (
	markBusy   = "†"
	markFailed = "‡"
	markBroken = "✗"

	markAtLeast = "≥" // before a figure
)

// cells are the texts of one row, as every table shows them. An empty text: there is nothing to say.
type cells struct {
	median  string
	marks   string
	spread  string
	ratios  []string // one for each of view.references
	retrans string
	drops   string
	notes   string
}

func (v *view) cells(row *report.Row, unit string) cells {
	c := cells{median: missing, marks: v.marks(row), notes: notes(row.Detail)}
	if row.Stats != nil {
		c.median = Figure(unit, row.Stats.Median)
		if atLeast(row) {
			c.median = markAtLeast + c.median
		}
		c.spread = Span(unit, row.Stats.Low, row.Stats.Median, row.Stats.High)
	}
	for _, reference := range v.references {
		text := ""
		if s, ok := ratioTo(row, reference); ok {
			text = Ratio(s.Median)
			if s.Busy > row.Busy { // because of the reference; its own rounds are marked at the figure
				text += markBusy
			}
		}
		c.ratios = append(c.ratios, text)
	}
	c.retrans, c.drops = countOf(row.Detail, detailRetransmits), countOf(row.Detail, detailDrops)
	return c
}

// atLeast tells whether the figure of row is a lower bound in most rounds.
func atLeast(row *report.Row) bool { return row.Detail["sender-bound"].Median > 0 }

// marks are the signs behind the figure of row, each with the number of rounds that it concerns.
func (v *view) marks(row *report.Row) string {
	var marks []string
	if row.Busy > 0 {
		marks = append(marks, fmt.Sprintf("%s%d", markBusy, row.Busy))
	}
	if n := failures(row); n > 0 {
		marks = append(marks, fmt.Sprintf("%s%d", markFailed, n))
	}
	if v.broken[row.Subject] {
		marks = append(marks, markBroken)
	}
	return strings.Join(marks, "")
}

// explainMarks says what the marks mean that rows of the report carry, one sentence each.
func (v *view) explainMarks() []string {
	var busy, failed, broken bool
	for i := range v.Rows {
		row := &v.Rows[i]
		busy = busy || row.Busy > 0 || slices.ContainsFunc(v.references, func(name string) bool { return row.Ratios[name].Busy > 0 })
		failed = failed || failures(row) > 0
		broken = broken || v.broken[row.Subject]
	}
	var lines []string
	if busy {
		lines = append(lines, fmt.Sprintf("%sn: in n rounds other processes took %.0f %% of the machine or more; behind a ratio: in rounds of the subject that it is taken to.", markBusy, report.BusyShare*100))
	}
	if slices.ContainsFunc(v.Rows, func(row report.Row) bool { return atLeast(&row) }) {
		lines = append(lines, markAtLeast+": the sender could not go faster; the subject may carry more.")
	}
	if failed {
		lines = append(lines, markFailed+"n: n rounds gave no figure; why is said under failed steps.")
	}
	if broken {
		lines = append(lines, markBroken+": a check of this subject failed: its figures do not count.")
	}
	return lines
}
