package bench

import (
	"context"
	"errors"
	"fmt"
	"net"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/bench/bed"
	"github.com/weftnet/weft/bench/measure"
	"github.com/weftnet/weft/bench/render"
	"github.com/weftnet/weft/bench/report"
	"github.com/weftnet/weft/lab"
)

// Run carries out what the options say and returns the report, which is then in Options.Out as well.
//
// What is wrong is said before anything starts: ErrUsage for the options (unknown names, impossible sizes), other errors for
// the machine (no root, no iperf3, no room, an unfinished run that is in the way, another bench). When ctx ends, the step under
// way is broken off and forgotten, everything is removed, and the error is an *InterruptedError. A complete run whose checks
// failed, or with rows that have no figure, returns its report and a *ChecksError.
func Run(ctx context.Context, o Options) (*report.Report, error) {
	return run(ctx, o, &local{options: bed.Options{MTU: o.MTU, OverlayMTU: o.OverlayMTU, Rate: o.Rate, Binary: o.Binary}})
}

// Subjects are the names of all subjects, in their order.
func Subjects() []string { return bed.Names() }

// Measures are the names of all measures, in their order.
func Measures() []string { return measure.Names() }

// local is this machine.
type local struct{ options bed.Options }

func (l *local) subjects() []subject {
	var all []subject
	for _, s := range bed.All() {
		all = append(all, subject{s.Name(), s.About()})
	}
	return all
}

func (l *local) measures() []measure.Measure { return measure.All() }

func (l *local) measure(name string) (measure.Measure, bool) {
	m, err := measure.ByName(name)
	return m, err == nil
}

// ready checks the sizes first: they are wrong on any machine.
func (l *local) ready(p plan) error {
	chosen := choose(bed.All(), bed.Subject.Name, subjectNames(p.subjects))
	if err := bed.Check(l.options, chosen); errors.Is(err, bed.ErrImpossible) {
		return usageError{err}
	} else if err != nil {
		return err
	}
	if err := lab.Available(); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	return measure.Unavailable(p.measures)
}

// only is the name that a bench at work holds, an abstract unix socket: the kernel frees it when the process ends, however.
const only = "@weft-bench"

func (l *local) acquire() (release func(), err error) { return hold(only) }

// hold takes a name that no other process of this machine holds.
func hold(name string) (release func(), err error) {
	held, err := net.Listen("unix", name)
	if errors.Is(err, unix.EADDRINUSE) {
		return nil, errors.New("bench: another bench is measuring on this machine: both would measure each other")
	}
	if err != nil {
		return nil, fmt.Errorf("bench: make sure that no other bench is measuring: %w", err)
	}
	return func() { held.Close() }, nil
}

func (l *local) unavailable(ctx context.Context, name string) error {
	s, err := bed.ByName(name)
	if err != nil {
		return err
	}
	return s.Unavailable(ctx)
}

func (l *local) open(ctx context.Context, name string) (stand, error) {
	s, err := bed.ByName(name)
	if err != nil {
		return nil, err
	}
	b, err := bed.New(ctx, l.options, s)
	if err != nil {
		return nil, err
	}
	return standing{b}, nil
}

func (l *local) publish(dir string, r *report.Report) error { return render.Write(dir, r) }

func (l *local) environment(ctx context.Context) report.Environment {
	return environment(ctx, l.options.Binary)
}

// standing is a bed.
type standing struct{ *bed.Bed }

func (s standing) target() measure.Target { return s.Target }

func (s standing) details(ctx context.Context) (map[string]string, error) {
	return s.Running.Details(ctx)
}

func (s standing) devices() ([]report.Device, error) { return s.Devices() }

func (s standing) dead() error { return s.Running.Ended() }

// verify makes the checksummed transfer and asks whether the subject still is what its name says.
func (s standing) verify(ctx context.Context) ([]measure.Finding, error) {
	identity := measure.Finding{Check: measure.CheckIdentity, OK: true}
	if err := s.Running.Check(ctx); err != nil {
		identity.OK, identity.Detail = false, oneLine(err)
	}
	findings, err := measure.Verify(ctx, s.Target)
	return append(findings, identity), err
}

func (s standing) begin(ctx context.Context, others func() []int) (watch, error) {
	t := s.Target
	t.Others = others
	w, err := measure.Begin(ctx, t)
	if err != nil {
		return nil, err
	}
	return watching{w}, nil
}

// watching is a watch of package measure.
type watching struct{ *measure.Watch }

func (w watching) end(ctx context.Context) (sight, error) {
	saw, err := w.End(ctx)
	if err != nil {
		return sight{}, err
	}
	return sight{Observation: saw, findings: measure.Findings(saw)}, nil
}
