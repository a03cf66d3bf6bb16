package bench

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/weftnet/weft/bench/measure"
	"github.com/weftnet/weft/bench/report"
)

// take enters what a step gave into the rows: its readings, or its error for every metric that it would have given.
func (r *runner) take(s step, readings []measure.Reading, busy float64, failure string) {
	sample := report.Sample{Round: s.round, Busy: min(max(busy, 0), 1), Error: failure}
	if failure != "" {
		for _, m := range s.measure.Metrics() {
			r.add(s.subject, m.ID, sample)
		}
		return
	}
	for _, reading := range readings {
		sample.Value, sample.Detail = reading.Value, reading.Detail
		r.add(s.subject, reading.Metric, sample)
	}
}

func (r *runner) add(subject, metric string, s report.Sample) {
	rows := r.report.Rows
	i := slices.IndexFunc(rows, func(row report.Row) bool { return row.Subject == subject && row.Metric == metric })
	if i < 0 {
		r.report.Rows = append(rows, report.Row{Subject: subject, Metric: metric, Rounds: []report.Sample{s}})
		return
	}
	rows[i].Rounds = append(rows[i].Rounds, s)
}

// arrange puts the rows in order, metric by metric and in each subject by subject, and takes those away that do not apply: a
// metric without any figure, although its measure succeeded on the subject, such as the memory of a router that is not there.
func (r *runner) arrange() {
	rows := []report.Row{}
	for _, m := range r.report.Metrics {
		for _, s := range r.report.Subjects {
			for _, row := range r.report.Rows {
				if row.Metric == m.ID && row.Subject == s.Name && (row.Stats != nil || !r.succeeded(s.Name, m.Measure)) {
					rows = append(rows, row)
				}
			}
		}
	}
	r.report.Rows = rows
}

// succeeded tells whether a measure of a subject went well in any round.
func (r *runner) succeeded(subject, measure string) bool {
	return slices.ContainsFunc(r.report.Schedule, func(s report.Step) bool {
		return s.Subject == subject && s.Measure == measure && s.Error == ""
	})
}

// subject is the report's entry of that name; nil: none.
func (r *runner) subject(name string) *report.Subject {
	i := slices.IndexFunc(r.report.Subjects, func(s report.Subject) bool { return s.Name == name })
	if i < 0 {
		return nil
	}
	return &r.report.Subjects[i]
}

// enter adds a subject to the report, or replaces the entry of the run that is resumed.
func (r *runner) enter(s report.Subject) {
	if known := r.subject(s.Name); known != nil {
		*known = s
		return
	}
	r.report.Subjects = append(r.report.Subjects, s)
}

// sortSubjects puts those that cannot run at the end.
func (r *runner) sortSubjects() {
	slices.SortStableFunc(r.report.Subjects, func(a, b report.Subject) int {
		return rank(a) - rank(b)
	})
}

func rank(s report.Subject) int {
	if s.Unavailable != "" {
		return 1
	}
	return 0
}

// running are the names of the subjects that are measured, in order.
func (r *runner) running() []string {
	var all []string
	for _, s := range r.report.Subjects {
		if s.Unavailable == "" {
			all = append(all, s.Name)
		}
	}
	return all
}

func (r *runner) replaceDevices(subject string, devices []report.Device) {
	env := &r.report.Environment
	env.Devices = slices.DeleteFunc(env.Devices, func(d report.Device) bool { return d.Subject == subject })
	env.Devices = append(env.Devices, devices...)
}

// sound refuses readings that a report cannot hold: of a metric that the measure did not announce, or no number.
func sound(s step, readings []measure.Reading) error {
	for _, one := range readings {
		if !slices.ContainsFunc(s.measure.Metrics(), func(m report.Metric) bool { return m.ID == one.Metric }) {
			return fmt.Errorf("bench: measure %s gave %q, which is not among its metrics", s.name(), one.Metric)
		}
		for _, v := range append(slices.Collect(maps.Values(one.Detail)), one.Value) {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return fmt.Errorf("bench: measure %s gave %v for %s", s.name(), v, one.Metric)
			}
		}
	}
	return nil
}
