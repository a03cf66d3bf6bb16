package bench

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/bench/measure"
	"github.com/weftnet/weft/bench/report"
)

// fake is a machine on which nothing is real; time passes only inside of testing/synctest.
type fake struct {
	names    []string
	all      []measure.Measure
	refuses  map[string]error // subjects that cannot run
	breaks   map[string]error // subjects that do not come up
	notReady error
	busy     bool
	env      report.Environment

	log     []string // what was done, in this order
	open_   map[string]*fakeStand
	on      func(step string) // called in the middle of every step, "round-less": "subject measure"
	failing map[string]error  // by "subject measure"
	saw     func(subject string) sight
	dead    map[string]error
	verify_ func(subject string) ([]measure.Finding, error)
	closing error

	published int
}

func newFake() *fake {
	return &fake{
		names: []string{"host-gw", "vxlan", "weft-super-clear", "weft-super-sealed"},
		all: []measure.Measure{
			fakeMeasure{id: "tcp1", takes: time.Second}, fakeMeasure{id: "tcp4", takes: time.Second, metrics: []string{"tcp4", "cpu-router"}},
			fakeMeasure{id: "rr-tcp", takes: 2 * time.Second}, fakeMeasure{id: "memory", metrics: []string{"rss-peak"}},
		},
		env:   report.Environment{Weft: "v1", Commit: "abc1234", Kernel: "6.1", Cores: 2, Boot: "one"},
		open_: map[string]*fakeStand{}, dead: map[string]error{}, failing: map[string]error{},
	}
}

func (f *fake) subjects() []subject {
	var all []subject
	for _, n := range f.names {
		all = append(all, subject{n, "about " + n})
	}
	return all
}

func (f *fake) measures() []measure.Measure {
	var all []measure.Measure
	for _, m := range f.all {
		one := m.(fakeMeasure)
		one.machine = f
		all = append(all, one)
	}
	return all
}

func (f *fake) measure(name string) (measure.Measure, bool) {
	if name == "cpu" {
		name = "tcp4"
	}
	for _, m := range f.measures() {
		if m.ID() == name {
			return m, true
		}
	}
	return nil, false
}

func (f *fake) ready(plan) error { return f.notReady }

func (f *fake) acquire() (func(), error) {
	if f.busy {
		return nil, errors.New("bench: another bench")
	}
	f.busy = true
	return func() { f.busy = false }, nil
}

func (f *fake) unavailable(_ context.Context, s string) error { return f.refuses[s] }

func (f *fake) open(ctx context.Context, s string) (stand, error) {
	f.did("open %s", s)
	if err := errors.Join(f.breaks[s], ctx.Err()); err != nil {
		return nil, err
	}
	f.open_[s] = &fakeStand{f, s}
	return f.open_[s], nil
}

func (f *fake) publish(string, *report.Report) error { f.published++; return nil }

func (f *fake) environment(context.Context) report.Environment { return f.env }

func (f *fake) did(format string, args ...any) { f.log = append(f.log, fmt.Sprintf(format, args...)) }

// steps are the entries of the log that are neither openings nor closings.
func (f *fake) steps() []string {
	var all []string
	for _, line := range f.log {
		if !strings.HasPrefix(line, "open ") && !strings.HasPrefix(line, "close ") {
			all = append(all, line)
		}
	}
	return all
}

// work is the middle of a step.
func (f *fake) work(ctx context.Context, subject, measure string, takes time.Duration) error {
	name := subject + " " + measure
	f.did("%s", name)
	if f.on != nil {
		f.on(name)
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(takes):
		return f.failing[name]
	}
}

type fakeStand struct {
	f    *fake
	name string
}

func (s *fakeStand) target() measure.Target {
	return measure.Target{MTU: 1000 + len(s.name)} // tells fakeMeasure whose target it is
}

func (s *fakeStand) details(context.Context) (map[string]string, error) {
	return map[string]string{"name": s.name}, nil
}

func (s *fakeStand) devices() ([]report.Device, error) {
	return []report.Device{{Subject: s.name, Namespace: "a", Name: "eth0"}}, nil
}

func (s *fakeStand) begin(context.Context, func() []int) (watch, error) { return fakeWatch{s}, nil }

func (s *fakeStand) verify(ctx context.Context) ([]measure.Finding, error) {
	if err := s.f.work(ctx, s.name, Verify, time.Second); err != nil {
		return nil, err
	}
	if s.f.verify_ != nil {
		return s.f.verify_(s.name)
	}
	return []measure.Finding{{Check: "payload", OK: true}}, nil
}

func (s *fakeStand) dead() error { return s.f.dead[s.name] }

func (s *fakeStand) Close() error {
	s.f.did("close %s", s.name)
	delete(s.f.open_, s.name)
	return s.f.closing
}

type fakeWatch struct{ s *fakeStand }

func (w fakeWatch) end(context.Context) (sight, error) {
	if w.s.f.saw != nil {
		return w.s.f.saw(w.s.name), nil
	}
	return sight{findings: []measure.Finding{{Check: "checksums", OK: true}, {Check: "fragments", OK: true}}}, nil
}

// fakeMeasure gives the length of the subject's name for each of its metrics.
type fakeMeasure struct {
	machine *fake
	id      string
	takes   time.Duration
	metrics []string
}

func (m fakeMeasure) ID() string    { return m.id }
func (m fakeMeasure) About() string { return "about " + m.id }

func (m fakeMeasure) Metrics() []report.Metric {
	ids := m.metrics
	if ids == nil {
		ids = []string{m.id}
	}
	var all []report.Metric
	for _, id := range ids {
		all = append(all, report.Metric{ID: id, Title: id, Unit: "1/s", Better: report.Higher, Measure: m.id})
	}
	return all
}

func (m fakeMeasure) Cost(measure.Lengths) time.Duration { return m.takes }

func (m fakeMeasure) Run(ctx context.Context, t measure.Target, _ measure.Lengths) ([]measure.Reading, error) {
	subject := m.subjectOf(t)
	if err := m.machine.work(ctx, subject, m.id, m.takes); err != nil {
		return nil, err
	}
	if !strings.HasPrefix(subject, "weft") && (m.id == "memory") {
		return nil, nil // no router
	}
	var all []measure.Reading
	for _, metric := range m.Metrics() {
		all = append(all, measure.Reading{Metric: metric.ID, Value: float64(len(subject))})
	}
	return all, nil
}

func (m fakeMeasure) subjectOf(t measure.Target) string {
	for _, name := range m.machine.names {
		if t.MTU == 1000+len(name) {
			return name
		}
	}
	panic("unknown target")
}

// options are for runs of two subjects with two measures in two rounds: 12 steps with the verifications.
func options(t *testing.T) Options {
	t.Helper()
	return Options{
		Preset: Quick, Only: []string{"vxlan", "weft-super-clear", "tcp1", "tcp4"}, Rounds: 2,
		Out: filepath.Join(t.TempDir(), "out"),
	}
}

// mustHaveClosed fails when a stand is still there, or the right to measure still held.
func (f *fake) mustHaveClosed(t *testing.T) {
	t.Helper()
	if len(f.open_) > 0 || f.busy {
		t.Errorf("left behind: stands %v, right to measure held: %v", f.open_, f.busy)
	}
}
