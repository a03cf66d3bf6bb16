package bench

import (
	"time"

	"github.com/weftnet/weft/bench/measure"
	"github.com/weftnet/weft/bench/report"
)

// verifyCost is what a verification is taken to last until one has been made.
const verifyCost = 500 * time.Millisecond

// estimate tells how long steps will take: as long as the same measure took on the same subject on average; before that, on
// any subject; before that, what the measure says.
type estimate struct {
	lengths measure.Lengths
	took    map[[2]string]mean // by subject and measure; the subject is empty for the average of all
}

type mean struct {
	sum   time.Duration
	count int
}

func newEstimate(l measure.Lengths, done []report.Step) *estimate {
	e := &estimate{lengths: l, took: map[[2]string]mean{}}
	for _, s := range done {
		e.learn(s)
	}
	return e
}

// learn takes a step into account, unless it failed, since a failed step says nothing about the time of the next.
func (e *estimate) learn(s report.Step) {
	if s.Error != "" {
		return
	}
	for _, subject := range []string{s.Subject, ""} {
		m := e.took[[2]string{subject, s.Measure}]
		m.sum += time.Duration(s.Seconds * float64(time.Second))
		m.count++
		e.took[[2]string{subject, s.Measure}] = m
	}
}

func (e *estimate) of(s step) time.Duration {
	for _, subject := range []string{s.subject, ""} {
		if m := e.took[[2]string{subject, s.name()}]; m.count > 0 {
			return m.sum / time.Duration(m.count)
		}
	}
	return cost(s, e.lengths)
}

// all is the time of all the steps.
func (e *estimate) all(steps []step) time.Duration {
	var sum time.Duration
	for _, s := range steps {
		sum += e.of(s)
	}
	return sum
}

// cost is what the measure itself says.
func cost(s step, l measure.Lengths) time.Duration {
	if s.measure == nil {
		return verifyCost
	}
	return s.measure.Cost(l)
}
