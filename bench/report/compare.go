package report

import (
	"math"
	"slices"
)

// The noise of a comparison. A change counts when the medians are more than noiseErrors standard errors of their difference
// apart, the errors coming from the rounds of each run (Stats.MedianError, combined as the root of the sum of squares), and
// when it is larger than a floor.
//
// noiseErrors is 4, not 2, for two reasons: the errors are themselves estimated from five rounds, and a table has dozens of
// rows, of which none should cry wolf. Two runs of five rounds of normally distributed figures without any change between
// them then differ "beyond the noise" in about one row of 75, and of three rounds in one of 24, without the floor
// (TestUnchangedFiguresAreRarelyBeyondTheNoise counts them). The price: where rounds deviate by 5 %, a change by 20 % is found in
// six of ten comparisons of five rounds, one by 30 % in nine (TestLargeChangeIsFoundInNoisyFigures); more rounds find more.
//
// The floor stands for what no round of either run shows: the machine's state differs between two runs (placement of memory,
// clock, neighbours), a further level of variation (T. Kalibera and R. Jones, "Rigorous benchmarking in reasonable time",
// 2013). Ratios within rounds cancel most of it. Figures of which all rounds of both runs agree exactly among themselves, such
// as an MTU, have no such noise, and no floor.
const (
	noiseErrors = 4
	ratioFloor  = 0.03
	valueFloor  = 0.08
	fewest      = 3 // rounds, below which nothing is known about the spread
)

// Compare tells what changed from one run to another. Rows are matched by subject and metric, and only those with a figure in
// both are compared: their ratios to vxlan, or their values where one of the runs has none. Both reports are as Fill left
// them.
func Compare(old, new *Report) *Comparison {
	c := &Comparison{
		Old: runOf(old), New: runOf(new), Environment: Differences(old, new),
		Metrics: []Metric{}, Changes: []Change{},
	}
	before, after := rowsOf(old), rowsOf(new)
	for _, m := range new.Metrics {
		found := false
		for _, s := range new.Subjects {
			key := rowKey{s.Name, m.ID}
			if before[key] != nil && after[key] != nil {
				c.Changes = append(c.Changes, changeOf(before[key], after[key], m))
				found = true
			}
		}
		if found {
			c.Metrics = append(c.Metrics, m)
		}
	}
	c.OnlyOld, c.OnlyNew = missing(old, after), missing(new, before)
	return c
}

func runOf(r *Report) Run {
	return Run{
		Started: r.Started, Weft: r.Environment.Weft, Commit: r.Environment.Commit,
		Preset: r.Options.Preset, Complete: r.Complete,
	}
}

// rowKey is what makes a row unique.
type rowKey struct{ subject, metric string }

// rowsOf are the rows that have a figure.
func rowsOf(r *Report) map[rowKey]*Row {
	rows := map[rowKey]*Row{}
	for i := range r.Rows {
		if row := &r.Rows[i]; row.Stats != nil {
			rows[rowKey{row.Subject, row.Metric}] = row
		}
	}
	return rows
}

// missing names the rows of r with a figure that are not among the others.
func missing(r *Report, others map[rowKey]*Row) []string {
	names := []string{}
	for _, row := range r.Rows {
		if row.Stats != nil && others[rowKey{row.Subject, row.Metric}] == nil {
			names = append(names, row.Subject+" "+row.Metric)
		}
	}
	return names
}

// changeOf compares one row; both have a figure.
func changeOf(old, new *Row, m Metric) Change {
	c := Change{Subject: new.Subject, Metric: m.ID, Basis: BasisValue, Old: *old.Stats, New: *new.Stats}
	floor := valueFloor
	before, inOld := old.Ratios[reference]
	after, inNew := new.Ratios[reference]
	if inOld && inNew && new.Subject != reference {
		c.Basis, c.Old, c.New, floor = BasisRatio, before, after, ratioFloor
	}
	c.judge(floor)
	c.Effect = effect(c, m.Better)
	return c
}

// judge fills in the change and whether it is beyond the noise.
func (c *Change) judge(floor float64) {
	difference := c.New.Median - c.Old.Median
	scale := math.Abs(c.Old.Median)
	if scale != 0 {
		c.Change = difference / scale
	}
	if min(c.Old.Count, c.New.Count) < fewest {
		c.TooFew = true
		return
	}
	noise := noiseErrors * math.Hypot(c.Old.MedianError(), c.New.MedianError())
	if !c.Old.constant() || !c.New.constant() {
		noise = max(noise, floor*scale)
	}
	if scale != 0 {
		c.Noise = noise / scale
	}
	c.Beyond = math.Abs(difference) > noise
}

// constant tells whether all figures are one and the same.
func (s Stats) constant() bool { return s.Low == s.High }

// effect tells what a change beyond the noise means.
func effect(c Change, better string) string {
	switch {
	case !c.Beyond || !slices.Contains([]string{Higher, Lower}, better):
		return ""
	case (c.New.Median > c.Old.Median) == (better == Higher):
		return Better
	}
	return Worse
}
