package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weftnet/weft/bench/report"
)

// run is Run on any machine.
func run(ctx context.Context, o Options, m machine) (*report.Report, error) {
	p, err := newPlan(o, m)
	if err != nil {
		return nil, err
	}
	if err := m.ready(p); err != nil {
		return nil, err
	}
	release, err := m.acquire()
	if err != nil {
		return nil, err
	}
	defer release()
	return runIn(ctx, p, m)
}

// runIn runs in the folder of the options; folders that it made go again when nothing was written.
func runIn(ctx context.Context, p plan, m machine) (*report.Report, error) {
	f, err := openFolder(p.options.Out)
	if err != nil {
		return nil, err
	}
	defer f.leave()
	r := newRunner(p, m, f)
	r.report = blank(p, m.environment(ctx))
	then, err := earlier(p.options, f, r.report)
	if err != nil {
		return nil, err
	}
	r.begin(then)
	if err := r.run(ctx); err != nil {
		return nil, err
	}
	return r.finish()
}

// blank is the report of a run that begins now.
func blank(p plan, env report.Environment) *report.Report {
	now := time.Now().UTC().Round(time.Millisecond)
	return &report.Report{
		Schema: report.Schema, Started: now, Ended: now,
		Options: p.asked(), Environment: env, Metrics: p.metrics(),
		Subjects: []report.Subject{}, Rows: []report.Row{}, Checks: []report.Check{}, Schedule: []report.Step{},
	}
}

// finish writes the report and takes the unfinished one away.
func (r *runner) finish() (*report.Report, error) {
	r.report.Complete = true
	r.arrange()
	report.Fill(r.report, report.References())
	if err := report.Validate(r.report); err != nil {
		return nil, fmt.Errorf("bench: the report contradicts itself, it was left in %s: %w", r.folder.unfinished(), err)
	}
	if err := report.Write(r.folder.dir, r.report); err != nil {
		return nil, err
	}
	if err := errors.Join(r.folder.forget(), r.machine.publish(r.folder.dir, r.report)); err != nil {
		return r.report, err
	}
	return r.report, verdict(r.report)
}
