package render

import (
	"github.com/weftnet/weft/bench/report"
)

// view is a report with an index over its rows.
type view struct {
	*report.Report
	ran        []report.Subject // those that could run, in order
	cannot     []report.Subject // those that could not
	references []string         // of report.References(): those to which at least one row has a ratio
	rows       map[rowKey]*report.Row
	broken     map[string]bool // by subject: a check failed
}

type rowKey struct{ subject, metric string }

func newView(r *report.Report) *view {
	v := &view{Report: r, rows: map[rowKey]*report.Row{}, broken: map[string]bool{}}
	for _, s := range r.Subjects {
		if s.Unavailable == "" {
			v.ran = append(v.ran, s)
		} else {
			v.cannot = append(v.cannot, s)
		}
	}
	for i := range r.Rows {
		row := &r.Rows[i]
		v.rows[rowKey{row.Subject, row.Metric}] = row
	}
	for _, c := range r.Checks {
		v.broken[c.Subject] = v.broken[c.Subject] || !c.OK
	}
	v.references = v.usedReferences()
	return v
}

func (v *view) usedReferences() []string {
	var used []string
	for _, reference := range report.References() {
		for i := range v.Rows {
			if _, ok := ratioTo(&v.Rows[i], reference); ok {
				used = append(used, reference)
				break
			}
		}
	}
	return used
}

// row is nil when the subject was not measured in this way.
func (v *view) row(subject, metric string) *report.Row {
	row := v.rows[rowKey{subject, metric}]
	if row == nil || len(row.Rounds) == 0 && row.Stats == nil {
		return nil
	}
	return row
}

// metric is the metric of that id, and whether the report has it.
func (v *view) metric(id string) (report.Metric, bool) {
	for _, m := range v.Metrics {
		if m.ID == id {
			return m, true
		}
	}
	return report.Metric{}, false
}

// measured says whether any subject has a row of the metric.
func (v *view) measured(metric string) bool {
	for _, s := range v.ran {
		if v.row(s.Name, metric) != nil {
			return true
		}
	}
	return false
}

// ratioTo is the ratio of row to the reference. A reference itself is 1 where the report does not say.
func ratioTo(row *report.Row, reference string) (report.Stats, bool) {
	if s, ok := row.Ratios[reference]; ok && s.Count > 0 && finite(s.Median) {
		return s, true
	}
	if row.Subject == reference && row.Stats != nil && row.Stats.Median != 0 {
		return report.Stats{Count: row.Stats.Count, Median: 1, Low: 1, High: 1}, true
	}
	return report.Stats{}, false
}

// failures is the number of rounds that gave no figure.
func failures(row *report.Row) int {
	n := 0
	for _, s := range row.Rounds {
		if s.Error != "" {
			n++
		}
	}
	return n
}
