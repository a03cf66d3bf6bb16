package report

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
)

// Validate tells whether r keeps what the schema promises: its version, names that are known and unique, rounds in range,
// finite figures, statistics that follow from the rounds, ratios to subjects that are there, failed checks that say what was
// seen, a schedule that goes subject by subject through every round in one order; and, when the report is complete, that
// every measure was done to every subject in every round. The error names every breach, one per line.
func Validate(r *Report) error {
	v := &validator{r: r, subjects: map[string]bool{}, metrics: map[string]bool{}}
	v.head()
	v.names()
	v.rows()
	v.statistics()
	v.checks()
	v.schedule()
	if r.Complete {
		v.complete()
	}
	return errors.Join(v.found...)
}

// validator collects breaches.
type validator struct {
	r        *Report
	subjects map[string]bool // those that ran
	metrics  map[string]bool
	found    []error
}

func (v *validator) breach(format string, args ...any) {
	v.found = append(v.found, fmt.Errorf(format, args...))
}

func (v *validator) head() {
	if v.r.Schema != Schema {
		v.breach("schema %q: want %q", v.r.Schema, Schema)
	}
	if v.r.Options.Rounds < 1 {
		v.breach("options: %d rounds", v.r.Options.Rounds)
	}
	if v.r.Started.IsZero() || v.r.Ended.Before(v.r.Started) {
		v.breach("started %v, ended %v", v.r.Started, v.r.Ended)
	}
	if v.r.Environment.Kernel == "" || v.r.Environment.Cores < 1 {
		v.breach("environment: kernel %q, %d cores", v.r.Environment.Kernel, v.r.Environment.Cores)
	}
	if v.r.Complete && len(v.r.Rows) == 0 {
		v.breach("a complete run without a row")
	}
	if !(v.r.Seconds >= 0) || math.IsInf(v.r.Seconds, 0) {
		v.breach("%v seconds of measuring", v.r.Seconds)
	}
}

func (v *validator) names() {
	seen := map[string]bool{}
	for _, s := range v.r.Subjects {
		if s.Name == "" || seen[s.Name] {
			v.breach("subject %q: unnamed or twice", s.Name)
		}
		seen[s.Name] = true
		v.subjects[s.Name] = s.Unavailable == ""
	}
	for _, m := range v.r.Metrics {
		if m.ID == "" || v.metrics[m.ID] {
			v.breach("metric %q: unnamed or twice", m.ID)
		}
		if m.Better != Higher && m.Better != Lower && m.Better != Neither {
			v.breach("metric %s: better %q", m.ID, m.Better)
		}
		if m.Title == "" || m.Unit == "" || m.Measure == "" {
			v.breach("metric %s: without title, unit or measure", m.ID)
		}
		v.metrics[m.ID] = true
	}
}

func (v *validator) rows() {
	seen := map[rowKey]bool{}
	for _, row := range v.r.Rows {
		key := rowKey{row.Subject, row.Metric}
		if seen[key] {
			v.breach("row %s %s: twice", row.Subject, row.Metric)
		}
		seen[key] = true
		if !v.subjects[row.Subject] || !v.metrics[row.Metric] {
			v.breach("row %s %s: no such subject that ran, or no such metric", row.Subject, row.Metric)
		}
		v.samples(row)
	}
}

func (v *validator) samples(row Row) {
	last := 0
	for _, s := range row.Rounds {
		if s.Round <= last || s.Round > v.r.Options.Rounds {
			v.breach("row %s %s: round %d after %d of %d", row.Subject, row.Metric, s.Round, last, v.r.Options.Rounds)
		}
		last = s.Round
		if !finite(append(slices.Collect(maps.Values(s.Detail)), s.Value)) {
			v.breach("row %s %s: round %d: a figure that is not finite", row.Subject, row.Metric, s.Round)
		}
		if s.Error != "" && s.Value != 0 {
			v.breach("row %s %s: round %d: a figure and an error", row.Subject, row.Metric, s.Round)
		}
		if !(s.Busy >= 0 && s.Busy <= 1) {
			v.breach("row %s %s: round %d: busy %v", row.Subject, row.Metric, s.Round, s.Busy)
		}
	}
}

func finite(values []float64) bool {
	return !slices.ContainsFunc(values, func(f float64) bool { return math.IsNaN(f) || math.IsInf(f, 0) })
}

// statistics fills a copy of the rows anew, with the references that the report has, and compares.
func (v *validator) statistics() {
	again := &Report{Rows: slices.Clone(v.r.Rows)}
	Fill(again, v.references())
	for i, row := range v.r.Rows {
		if !reflect.DeepEqual(row.Stats, again.Rows[i].Stats) || row.Busy != again.Rows[i].Busy ||
			!sameStats(row.Ratios, again.Rows[i].Ratios) || !sameStats(row.Detail, again.Rows[i].Detail) {
			v.breach("row %s %s: the statistics do not follow from the rounds", row.Subject, row.Metric)
		}
	}
}

func sameStats(a, b map[string]Stats) bool { return maps.Equal(a, b) }

// references are the subjects to which any row has a ratio.
func (v *validator) references() []string {
	names := map[string]bool{}
	for _, row := range v.r.Rows {
		for name := range row.Ratios {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

func (v *validator) checks() {
	type key struct{ subject, name string }
	seen := map[key]bool{}
	for _, c := range v.r.Checks {
		k := key{c.Subject, c.Name}
		if seen[k] || c.Name == "" {
			v.breach("check %s %q: unnamed or twice", c.Subject, c.Name)
		}
		seen[k] = true
		if !v.subjects[c.Subject] {
			v.breach("check %s %s: no such subject that ran", c.Subject, c.Name)
		}
		if !c.OK && c.Detail == "" {
			v.breach("check %s %s: failed, but does not say what was seen", c.Subject, c.Name)
		}
	}
}

// stepKey is what makes a step unique.
type stepKey struct {
	round            int
	subject, measure string
}

// schedule checks that rounds ascend and every one of them visits its subjects once, one after the other, in the report's
// order.
func (v *validator) schedule() {
	order := map[string]int{}
	for i, s := range v.r.Subjects {
		order[s.Name] = i
	}
	seen := map[stepKey]bool{}
	round, at := 1, -1
	for _, s := range v.r.Schedule {
		key := stepKey{s.Round, s.Subject, s.Measure}
		place, known := order[s.Subject]
		switch {
		case !known || s.Measure == "" || seen[key]:
			v.breach("schedule: round %d %s %q: unknown subject, unnamed measure, or twice", s.Round, s.Subject, s.Measure)
		case s.Round < round || s.Round > v.r.Options.Rounds || s.Round == round && place < at:
			v.breach("schedule: round %d %s %s: not interleaved", s.Round, s.Subject, s.Measure)
		}
		seen[key] = true
		round, at = s.Round, place
	}
}

// complete checks that nothing is missing.
func (v *validator) complete() {
	done := map[stepKey]bool{}
	for _, s := range v.r.Schedule {
		done[stepKey{s.Round, s.Subject, s.Measure}] = true
	}
	for _, s := range v.r.Subjects {
		if s.Unavailable != "" {
			continue
		}
		for round := 1; round <= v.r.Options.Rounds; round++ {
			for _, m := range v.r.Options.Measures {
				if !done[stepKey{round, s.Name, m}] {
					v.breach("complete, but round %d %s %s is not in the schedule", round, s.Name, m)
				}
			}
		}
	}
}
