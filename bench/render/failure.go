package render

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// failure is one reason why a measure of a subject gave no figure, in one or more rounds.
type failure struct {
	subject, measure, reason string
	rounds                   []int
}

// failures lists every reason once for each subject and measure, in the order of the rows.
func (v *view) failures() []failure {
	var list []failure
	for _, row := range v.Rows {
		measure := row.Metric
		if m, ok := v.metric(row.Metric); ok {
			measure = cmp.Or(m.Measure, m.ID)
		}
		for _, s := range row.Rounds {
			if s.Error != "" {
				list = addFailure(list, failure{row.Subject, measure, s.Error, []int{s.Round}})
			}
		}
	}
	return list
}

func addFailure(list []failure, f failure) []failure {
	for i := range list {
		l := &list[i]
		if l.subject == f.subject && l.measure == f.measure && l.reason == f.reason {
			if !slices.Contains(l.rounds, f.rounds[0]) {
				l.rounds = append(l.rounds, f.rounds[0])
			}
			return list
		}
	}
	return append(list, f)
}

// when names the rounds out of all: "round 2", "rounds 2, 3", "all 5 rounds".
func (f failure) when(all int) string {
	if len(f.rounds) == all && all > 1 {
		return "all " + rounds(all)
	}
	texts := make([]string, len(f.rounds))
	for i, r := range f.rounds {
		texts[i] = fmt.Sprint(r)
	}
	if len(texts) == 1 {
		return "round " + texts[0]
	}
	return "rounds " + strings.Join(texts, ", ")
}
