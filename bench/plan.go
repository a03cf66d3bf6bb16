package bench

import (
	"github.com/weftnet/weft/bench/measure"
	"github.com/weftnet/weft/bench/report"
)

// Verify is the name of the steps in which a checksummed transfer tells whether payload arrives intact.
const Verify = "verify"

// plan is what is going to be done.
type plan struct {
	options  Options
	lengths  measure.Lengths
	subjects []subject
	measures []measure.Measure
}

// step is one thing to do.
type step struct {
	round   int
	subject string
	measure measure.Measure // nil: Verify
}

func (s step) name() string {
	if s.measure == nil {
		return Verify
	}
	return s.measure.ID()
}

// newPlan resolves the names and takes what is not named from the preset.
func newPlan(o Options, m machine) (plan, error) {
	o, err := o.withDefaults()
	if err != nil {
		return plan{}, err
	}
	pre, err := presetByName(o.Preset)
	if err != nil {
		return plan{}, err
	}
	if o.Rounds == 0 {
		o.Rounds = pre.rounds
	}
	subjects, measures, err := split(o.Only, m)
	if err != nil {
		return plan{}, err
	}
	p := plan{options: o, lengths: pre.lengths}
	p.subjects = choose(m.subjects(), subjectName, either(subjects, pre.subjects, subjectNames(m.subjects())))
	p.measures = choose(m.measures(), measureName, either(measures, pre.measures, measureNames(m.measures())))
	return p, nil
}

// split sorts names into subjects and measures; aliases become the measures' own names.
func split(only []string, m machine) (subjects, measures []string, err error) {
	for _, name := range only {
		if chosen := choose(m.subjects(), subjectName, []string{name}); len(chosen) > 0 {
			subjects = append(subjects, name)
			continue
		}
		found, known := m.measure(name)
		if !known {
			return nil, nil, unknownName(name, m)
		}
		measures = append(measures, found.ID())
	}
	return subjects, measures, nil
}

// either is the first list that is not empty.
func either(lists ...[]string) []string {
	for _, list := range lists {
		if len(list) > 0 {
			return list
		}
	}
	return nil
}

// round are the steps of one round, subject by subject.
func (p plan) round(round int, subjects []string) []step {
	var steps []step
	for _, s := range subjects {
		if round == 1 || round == p.options.Rounds {
			steps = append(steps, step{round: round, subject: s})
		}
		for _, m := range p.measures {
			steps = append(steps, step{round, s, m})
		}
	}
	return steps
}

// steps are all of them from a round on.
func (p plan) steps(from int, subjects []string) []step {
	var all []step
	for round := from; round <= p.options.Rounds; round++ {
		all = append(all, p.round(round, subjects)...)
	}
	return all
}

// asked is the plan in the report's words.
func (p plan) asked() report.Options {
	return report.Options{
		Preset: p.options.Preset, Rounds: p.options.Rounds,
		Subjects: subjectNames(p.subjects), Measures: measureNames(p.measures),
		MTU: p.options.MTU, OverlayMTU: p.options.OverlayMTU, Rate: p.options.Rate,
	}
}

// metrics are those of the plan's measures, in their order.
func (p plan) metrics() []report.Metric {
	var all []report.Metric
	for _, m := range p.measures {
		all = append(all, m.Metrics()...)
	}
	return all
}
