package bench

import (
	"errors"
	"fmt"
	"strings"

	"github.com/weftnet/weft/bench/report"
)

// earlier decides what becomes of an unfinished run in the folder: with Resume, its report is returned; with Fresh, and where
// there is none, nil.
func earlier(o Options, f *folder, now *report.Report) (*report.Report, error) {
	switch there := f.hasUnfinished(); {
	case o.Resume && !there:
		return nil, fmt.Errorf("bench: nothing to resume: there is no %s in %s", Unfinished, f.dir)
	case o.Resume:
		return resume(f, now)
	case there && !o.Fresh:
		return nil, fmt.Errorf("bench: %s holds an unfinished run: go on with it by --resume, or throw it away by --fresh", f.dir)
	}
	return nil, f.forget()
}

// resume reads the unfinished run, and refuses when its figures do not belong with those that now would be measured.
func resume(f *folder, now *report.Report) (*report.Report, error) {
	then, err := report.Read(f.unfinished())
	if err != nil {
		return nil, fmt.Errorf("bench: the unfinished run cannot be resumed (--fresh throws it away): %w", err)
	}
	if then.Complete {
		return nil, fmt.Errorf("bench: the run in %s is complete, there is nothing to resume", f.unfinished())
	}
	if different := differs(then, now); len(different) > 0 {
		return nil, fmt.Errorf("bench: the unfinished run in %s cannot be resumed (--fresh throws it away): %s",
			f.dir, strings.Join(different, "; "))
	}
	return then, nil
}

// differs says in what two runs differ that must not be one.
func differs(then, now *report.Report) []string {
	all := report.Differences(then, now)
	for _, one := range []struct{ what, then, now string }{
		{"subjects", fmt.Sprint(then.Options.Subjects), fmt.Sprint(now.Options.Subjects)},
		{"measures", fmt.Sprint(then.Options.Measures), fmt.Sprint(now.Options.Measures)},
		{"boot", then.Environment.Boot, now.Environment.Boot},
		{"version of weft", then.Environment.Weft, now.Environment.Weft},
		{"commit", then.Environment.Commit, now.Environment.Commit},
		{"executable", then.Environment.Binary, now.Environment.Binary},
	} {
		if one.then != one.now {
			all = append(all, fmt.Sprintf("%s: %s, now %s", one.what, one.then, one.now))
		}
	}
	return all
}

// begin takes up the unfinished run at the beginning of the round that was interrupted, so that the ratios of each round are
// still between figures of the same minutes; nil: from the start.
func (r *runner) begin(then *report.Report) {
	if then == nil {
		return
	}
	r.first = firstMissing(then)
	for i := range then.Rows {
		row := &then.Rows[i]
		for len(row.Rounds) > 0 && row.Rounds[len(row.Rounds)-1].Round >= r.first {
			row.Rounds = row.Rounds[:len(row.Rounds)-1]
		}
	}
	for len(then.Schedule) > 0 && then.Schedule[len(then.Schedule)-1].Round >= r.first {
		then.Schedule = then.Schedule[:len(then.Schedule)-1]
	}
	then.Metrics = r.report.Metrics
	r.report = then
	r.progress.note("going on at round %d of %d", r.first, r.plan.options.Rounds)
}

// firstMissing is the first round of which a step is missing.
func firstMissing(r *report.Report) int {
	steps := map[int]int{}
	for _, s := range r.Schedule {
		if s.Measure != Verify {
			steps[s.Round]++
		}
	}
	subjects := 0
	for _, s := range r.Subjects {
		if s.Unavailable == "" {
			subjects++
		}
	}
	for round := 1; ; round++ {
		if steps[round] < subjects*len(r.Options.Measures) || subjects == 0 {
			return round
		}
	}
}

// InterruptedError is the error of a run whose context ended.
type InterruptedError struct {
	Dir         string // of the unfinished run
	Done, Steps int
	Kept        bool // false: nothing was measured, and nothing is left
}

// ErrInterrupted is matched by every *InterruptedError.
var ErrInterrupted = errors.New("interrupted")

// Is matches ErrInterrupted.
func (e *InterruptedError) Is(target error) bool { return target == ErrInterrupted }

// Error says how to go on.
func (e *InterruptedError) Error() string {
	if !e.Kept {
		return "bench: interrupted before anything was measured"
	}
	return fmt.Sprintf("bench: interrupted after %d of %d steps; the same command with --resume goes on (kept in %s)",
		e.Done, e.Steps, e.Dir)
}

func (r *runner) interrupted() error {
	return &InterruptedError{
		Dir: r.folder.dir, Done: len(r.report.Schedule), Steps: len(r.plan.steps(1, r.running())),
		Kept: r.folder.hasUnfinished(),
	}
}
