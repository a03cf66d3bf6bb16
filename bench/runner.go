package bench

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/weftnet/weft/bench/measure"
	"github.com/weftnet/weft/bench/report"
)

// patience is how long a step may take beyond twice what it should, before it is broken off.
const patience = 30 * time.Second

// runner carries out a plan. It is used by one goroutine.
type runner struct {
	plan     plan
	machine  machine
	folder   *folder
	report   *report.Report
	first    int // round to begin with
	stands   map[string]stand
	dead     map[string]error // subjects of which nothing more can be measured, and why
	looks    looks            // at the checks, in the round under way
	estimate *estimate
	progress *progress
	before   float64 // seconds of measuring before this process
	began    time.Time
}

func newRunner(p plan, m machine, f *folder) *runner {
	return &runner{
		plan: p, machine: m, folder: f, first: 1,
		stands: map[string]stand{}, dead: map[string]error{},
		progress: &progress{to: p.options.Progress, terminal: p.options.Terminal, width: widest(p.subjects)},
	}
}

func widest(subjects []subject) int {
	width := 0
	for _, s := range subjects {
		width = max(width, len(s.name))
	}
	return width
}

// run measures everything and closes all stands, also when a measure panics. It returns a *InterruptedError when ctx ended.
func (r *runner) run(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, r.closeAll()) }()
	if err := r.setUp(ctx); err != nil {
		return err
	}
	r.estimate = newEstimate(r.plan.lengths, r.report.Schedule)
	r.began, r.before = time.Now(), r.report.Seconds
	return r.rounds(ctx)
}

// setUp makes all stands. Those that cannot be made are listed in the report with the reason; it is an error only when none
// is left.
func (r *runner) setUp(ctx context.Context) error {
	for _, s := range r.plan.subjects {
		r.progress.passing("setting up %s", s.name)
		reason := r.setUpOne(ctx, s)
		if ctx.Err() != nil {
			return r.interrupted()
		}
		if reason != nil {
			r.lost(s, reason)
		}
	}
	if len(r.stands) == 0 {
		return fmt.Errorf("bench: no subject can run: %s", r.reasons())
	}
	r.sortSubjects()
	return nil
}

func (r *runner) setUpOne(ctx context.Context, s subject) error {
	if known := r.subject(s.name); known != nil && known.Unavailable != "" {
		return nil // of the run that is resumed
	}
	if err := r.machine.unavailable(ctx, s.name); err != nil {
		return err
	}
	at, err := r.machine.open(ctx, s.name)
	if err != nil {
		return err
	}
	r.stands[s.name] = at
	return r.describe(ctx, s, at)
}

// describe enters a subject that is up into the report.
func (r *runner) describe(ctx context.Context, s subject, at stand) error {
	details, err := at.details(ctx)
	if err == nil {
		var devices []report.Device
		devices, err = at.devices()
		r.replaceDevices(s.name, devices)
	}
	if err != nil {
		delete(r.stands, s.name)
		return errors.Join(err, at.Close())
	}
	r.enter(report.Subject{Name: s.name, About: s.about, MTU: at.target().MTU, Details: details})
	return nil
}

// lost is what becomes of a subject that does not come up: it is unavailable; in a run that is resumed, it is dead instead,
// since it has figures already.
func (r *runner) lost(s subject, reason error) {
	text := strings.TrimPrefix(oneLine(reason), "bed: "+s.name+": ")
	r.progress.note("%s cannot run: %s", s.name, text)
	if r.subject(s.name) != nil {
		r.dead[s.name] = fmt.Errorf("it did not come up when the run was resumed: %w", reason)
		return
	}
	r.enter(report.Subject{Name: s.name, About: s.about, Unavailable: text})
}

// reasons tells why the subjects cannot run.
func (r *runner) reasons() string {
	var all []string
	for _, s := range r.report.Subjects {
		if s.Unavailable != "" {
			all = append(all, s.Name+": "+s.Unavailable)
		}
	}
	for name, err := range r.dead {
		all = append(all, name+": "+oneLine(err))
	}
	return strings.Join(all, "; ")
}

// rounds measures from the first round on.
func (r *runner) rounds(ctx context.Context) error {
	names := r.running()
	todo := r.plan.steps(r.first, names)
	all := len(r.plan.steps(1, names))
	for i, s := range todo {
		r.progress.step(s, all-len(todo)+i+1, all, r.plan.options.Rounds, r.estimate.all(todo[i:]))
		done := r.step(ctx, s)
		if ctx.Err() != nil {
			return r.interrupted() // the last step says nothing
		}
		if err := r.record(done, i+1 == len(todo) || todo[i+1].round != s.round); err != nil {
			return err
		}
	}
	return nil
}

// record takes a step into the report, on the disk too. At the end of a round the checks of the round count.
func (r *runner) record(done report.Step, endsRound bool) error {
	r.report.Schedule = append(r.report.Schedule, done)
	r.estimate.learn(done)
	if endsRound {
		r.report.Checks = r.looks.count(r.report.Checks, done.Round)
		r.looks = nil
	}
	if now := time.Now().UTC().Round(time.Millisecond); now.After(r.report.Started) { // the clock may have been set back
		r.report.Ended = now
	}
	r.report.Seconds = r.before + time.Since(r.began).Seconds()
	report.Fill(r.report, report.References())
	return r.folder.keep(r.report)
}

// step does one thing and takes what it gave into the rows.
func (r *runner) step(ctx context.Context, s step) report.Step {
	done := report.Step{Round: s.round, Subject: s.subject, Measure: s.name(), Started: time.Now().UTC().Round(time.Millisecond)}
	began := time.Now()
	readings, saw, err := r.attempt(ctx, s)
	done.Seconds = time.Since(began).Seconds()
	if err != nil {
		done.Error = oneLine(err)
	}
	r.look(s, saw.findings)
	switch {
	case s.measure == nil && err != nil:
		r.look(s, []measure.Finding{{Check: measure.CheckPayload, Detail: "not made: " + done.Error}})
	case s.measure != nil:
		r.take(s, readings, saw.Foreign, done.Error)
	}
	return done
}

// attempt does the work of a step, unless its subject is dead, and watches the machine meanwhile. What was seen is returned
// with an error as well.
func (r *runner) attempt(ctx context.Context, s step) ([]measure.Reading, sight, error) {
	if reason := r.dead[s.subject]; reason != nil {
		return nil, sight{}, reason
	}
	at := r.stands[s.subject]
	if reason := r.died(ctx, s.subject, at); reason != nil {
		return nil, sight{}, reason
	}
	watch, err := at.begin(ctx, r.routersBut(s.subject))
	if err != nil {
		return nil, sight{}, err
	}
	readings, findings, err := r.do(ctx, s, at)
	saw, unseen := watch.end(ctx)
	saw.findings = append(saw.findings, findings...)
	if err = errors.Join(err, unseen, sound(s, readings)); err == nil {
		return measure.Merge(readings, saw.Observation), saw, nil
	}
	return nil, saw, errors.Join(r.died(ctx, s.subject, at), err)
}

// routersBut tells the pids of the routers of all other subjects.
func (r *runner) routersBut(subject string) func() []int {
	return func() []int {
		var pids []int
		for name, at := range r.stands {
			if routers := at.target().Routers; name != subject && routers != nil {
				pids = append(pids, routers()...)
			}
		}
		return pids
	}
}

// died tells why nothing more can be measured of a subject, and says it once; nil while it is alive, and when it ended because
// ctx did.
func (r *runner) died(ctx context.Context, subject string, at stand) error {
	reason := at.dead()
	if reason == nil || ctx.Err() != nil {
		return nil
	}
	r.dead[subject] = fmt.Errorf("the subject is dead: %w", reason)
	r.progress.note("%s: %s", subject, oneLine(r.dead[subject]))
	return r.dead[subject]
}

// do runs the measure or the verification within its time.
func (r *runner) do(ctx context.Context, s step, at stand) ([]measure.Reading, []measure.Finding, error) {
	limit := 2*cost(s, r.plan.lengths) + patience
	if p, ok := s.measure.(measure.Patient); ok {
		limit = max(limit, p.Limit())
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("broken off after %v", limit))
	defer cancel()
	defer quiet()()
	var readings []measure.Reading
	var findings []measure.Finding
	var err error
	if s.measure == nil {
		findings, err = at.verify(ctx)
	} else {
		readings, err = s.measure.Run(ctx, at.target(), r.plan.lengths)
	}
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("%w: %w", context.Cause(ctx), err)
	}
	return readings, findings, err
}

// closeAll takes all stands away, the last one first; one that fails, or panics, does not keep the others.
func (r *runner) closeAll() (err error) {
	r.progress.passing("removing the virtual hosts")
	defer r.progress.clear()
	for _, s := range r.plan.subjects {
		if at := r.stands[s.name]; at != nil {
			defer func() { err = errors.Join(err, at.Close()) }()
		}
	}
	return nil
}
