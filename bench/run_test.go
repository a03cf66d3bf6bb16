package bench

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weftnet/weft/bench/measure"
	"github.com/weftnet/weft/bench/report"
)

// mustRun runs in virtual time and wants no error.
func mustRun(t *testing.T, o Options, f *fake) *report.Report {
	t.Helper()
	r, err := run(t.Context(), o, f)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRoundsVisitSubjectAfterSubject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, o := newFake(), options(t)
		o.Rounds = 3
		mustRun(t, o, f)
		want := strings.Split(strings.TrimSpace(`
vxlan verify
vxlan tcp1
vxlan tcp4
weft-super-clear verify
weft-super-clear tcp1
weft-super-clear tcp4
vxlan tcp1
vxlan tcp4
weft-super-clear tcp1
weft-super-clear tcp4
vxlan verify
vxlan tcp1
vxlan tcp4
weft-super-clear verify
weft-super-clear tcp1
weft-super-clear tcp4`), "\n")
		if got := f.steps(); !slices.Equal(got, want) {
			t.Errorf("steps:\n%s", strings.Join(got, "\n"))
		}
		f.mustHaveClosed(t)
	})
}

func TestReportIsCompleteValidAndWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, o := newFake(), options(t)
		r := mustRun(t, o, f)
		read, err := report.Read(o.Out)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(read, r) {
			t.Errorf("what was written is not what was returned:\n%+v\n%+v", read, r)
		}
		if f.published != 1 {
			t.Errorf("published %d times", f.published)
		}
		if !r.Complete || r.Seconds != 12 || len(r.Schedule) != 12 || len(r.Environment.Devices) != 2 {
			t.Errorf("complete %v, %v s, %d steps, devices %v", r.Complete, r.Seconds, len(r.Schedule), r.Environment.Devices)
		}
		if got := r.Rows[1].Ratios["vxlan"].Median; got != 16.0/5 {
			t.Errorf("ratio = %v, want that of the lengths of the names", got)
		}
		if _, err := os.Stat(filepath.Join(o.Out, Unfinished)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the unfinished run is still there: %v", err)
		}
	})
}

func TestMetricThatDoesNotApplyHasNoRow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, o := newFake(), options(t)
		o.Only = []string{"vxlan", "weft-super-clear", "memory"}
		f.on = failOnce(f, "vxlan memory", errors.New("once"))
		r := mustRun(t, o, f)
		if len(r.Rows) != 1 || r.Rows[0].Subject != "weft-super-clear" {
			t.Errorf("rows = %+v, want that of the subject with a router only", r.Rows)
		}
	})
}

// failOnce makes a step fail the first time.
func failOnce(f *fake, name string, err error) func(string) {
	times := 0
	return func(step string) {
		delete(f.failing, name)
		if step == name {
			if times++; times == 1 {
				f.failing[name] = err
			}
		}
	}
}

func TestFailedStepLeavesItsErrorAndTheRunGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, o := newFake(), options(t)
		f.on = failOnce(f, "vxlan tcp4", errors.New("two\nlines"))
		r := mustRun(t, o, f)
		row := r.Rows[slices.IndexFunc(r.Rows, func(r report.Row) bool { return r.Subject == "vxlan" && r.Metric == "tcp4" })]
		if row.Rounds[0].Error != "two; lines" || row.Stats == nil || row.Stats.Count != 1 {
			t.Errorf("row = %+v", row)
		}
		if r.Schedule[2].Error != "two; lines" || len(f.steps()) != 12 {
			t.Errorf("step = %+v, of %d", r.Schedule[2], len(f.steps()))
		}
	})
}

func TestRowWithoutAnyFigureIsAnErrorAfterTheReportIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, o := newFake(), options(t)
		f.failing["vxlan tcp4"] = errors.New("broken pipe")
		_, err := run(t.Context(), o, f)
		var checks *ChecksError
		if !errors.As(err, &checks) || len(checks.Empty) != 2 || !strings.Contains(err.Error(), "broken pipe") {
			t.Fatalf("error = %v", err)
		}
		if _, err := report.Read(o.Out); err != nil {
			t.Error(err)
		}
	})
}

func TestFailedCheckIsAnErrorAndSaysWhatWasSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, o := newFake(), options(t)
		f.saw = func(subject string) sight {
			return sight{findings: []measure.Finding{{Check: "checksums", OK: subject != "vxlan", Detail: "3 UdpInCsumErrors"}}}
		}
		r, err := run(t.Context(), o, f)
		var checks *ChecksError
		if !errors.As(err, &checks) || len(checks.Failed) != 1 {
			t.Fatalf("error = %v", err)
		}
		c := r.Checks[0]
		want := "round 1, verify: 3 UdpInCsumErrors; round 1, tcp1: 3 UdpInCsumErrors; round 1, tcp4: 3 UdpInCsumErrors; ..."
		if c.OK || c.Rounds != 2 || c.Detail != want {
			t.Errorf("check = %+v", c)
		}
	})
}

func TestVerificationThatCannotBeMadeHasFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, o := newFake(), options(t)
		f.failing["vxlan verify"] = errors.New("connection refused")
		r, err := run(t.Context(), o, f)
		if err == nil || !strings.Contains(err.Error(), "payload of vxlan") {
			t.Fatalf("error = %v", err)
		}
		i := slices.IndexFunc(r.Checks, func(c report.Check) bool { return c.Subject == "vxlan" && c.Name == "payload" })
		if c := r.Checks[i]; c.OK || c.Rounds != 2 {
			t.Errorf("check = %+v", c)
		}
	})
}

func TestDeadSubjectIsNotMeasuredAnyFurther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, o := newFake(), options(t)
		f.on = func(step string) {
			if step == "weft-super-clear tcp1" {
				f.failing[step] = errors.New("connection reset")
				f.dead["weft-super-clear"] = errors.New("the router of b ended: signal: killed")
			}
		}
		r, err := run(t.Context(), o, f)
		if !errors.As(err, new(*ChecksError)) {
			t.Fatalf("error = %v", err)
		}
		if got := len(f.steps()); got != 8 {
			t.Errorf("%d steps, want 8: %q", got, f.steps())
		}
		last := r.Schedule[len(r.Schedule)-1]
		if len(r.Schedule) != 12 || !strings.Contains(last.Error, "dead: the router of b ended") {
			t.Errorf("last of %d steps = %+v", len(r.Schedule), last)
		}
		f.mustHaveClosed(t)
	})
}

func TestSubjectThatDoesNotComeUpIsListedWithItsReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, o := newFake(), options(t)
		f.refuses = map[string]error{"vxlan": errors.New("no module")}
		r := mustRun(t, o, f)
		if got := r.Subjects[1]; got.Name != "vxlan" || got.Unavailable != "no module" || r.Rows[0].Subject == "vxlan" {
			t.Errorf("subjects = %+v", r.Subjects)
		}
	})
}

func TestRunWithoutAnySubjectNamesTheReasonsAndLeavesNothing(t *testing.T) {
	f, o := newFake(), options(t)
	f.refuses = map[string]error{"vxlan": errors.New("no module")}
	f.breaks = map[string]error{"weft-super-clear": errors.New("no answer in 15 s")}
	_, err := run(t.Context(), o, f)
	if err == nil || !strings.Contains(err.Error(), "vxlan: no module; weft-super-clear: no answer in 15 s") {
		t.Errorf("error = %v", err)
	}
	mustNotExist(t, o.Out)
	f.mustHaveClosed(t)
}

func mustNotExist(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is there (%v)", path, err)
	}
}

func TestPanicOfAMeasureClosesTheStands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, o := newFake(), options(t)
		f.on = func(step string) {
			if step == "weft-super-clear tcp1" {
				panic("in a measure")
			}
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic was swallowed")
				}
			}()
			run(t.Context(), o, f)
		}()
		f.mustHaveClosed(t)
	})
}

func TestHungMeasureIsBrokenOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, o := newFake(), options(t)
		f.all[0] = fakeMeasure{id: "tcp1", takes: time.Second}
		f.on = func(step string) {
			if step == "vxlan tcp1" {
				time.Sleep(40 * time.Second) // longer than twice its cost and the patience
			}
		}
		r, err := run(t.Context(), o, f)
		if !errors.As(err, new(*ChecksError)) || !strings.Contains(r.Schedule[1].Error, "broken off after 32s") {
			t.Errorf("error = %v, step = %+v", err, r.Schedule[1])
		}
	})
}

func TestFigureThatNoReportCanHoldIsAnErrorOfItsStep(t *testing.T) {
	m := fakeMeasure{id: "tcp1"}
	if err := sound(step{measure: m}, []measure.Reading{{Metric: "other"}}); err == nil {
		t.Error("a reading of an unknown metric is taken")
	}
	zero := 0.0
	if err := sound(step{measure: m}, []measure.Reading{{Metric: "tcp1", Value: 1 / zero}}); err == nil {
		t.Error("an infinite reading is taken")
	}
}

func TestFailingToRemoveAStandIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, o := newFake(), options(t)
		f.closing = errors.New("device or resource busy")
		_, err := run(t.Context(), o, f)
		if err == nil || !strings.Contains(err.Error(), "busy") {
			t.Errorf("error = %v", err)
		}
	})
}

func TestProgressOnATerminalIsOneLineInPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		f, o := newFake(), options(t)
		o.Progress, o.Terminal = &out, true
		mustRun(t, o, f)
		if want := "\r[ 6/12] round 1/2  weft-super-clear  tcp4         7 s left\x1b[K"; !strings.Contains(out.String(), want) {
			t.Errorf("no %q in %q", want, out.String())
		}
		if strings.Contains(out.String(), "\n") || !strings.HasSuffix(out.String(), "\r\x1b[K") {
			t.Errorf("the line is not taken away at the end: %q", out.String())
		}
	})
}

func TestProgressElsewhereIsOneLinePerVisit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		f, o := newFake(), options(t)
		o.Progress = &out
		mustRun(t, o, f)
		if got := strings.Count(out.String(), "\n"); got != 4 || strings.ContainsAny(out.String(), "\r\x1b") {
			t.Errorf("%d lines:\n%s", got, out.String())
		}
	})
}

func TestTimeLeftFollowsWhatStepsTook(t *testing.T) {
	m := fakeMeasure{id: "tcp1", takes: time.Second}
	e := newEstimate(measure.Lengths{}, nil)
	if got := e.of(step{subject: "a", measure: m}); got != time.Second {
		t.Errorf("unknown: %v", got)
	}
	e.learn(report.Step{Subject: "a", Measure: "tcp1", Seconds: 4})
	e.learn(report.Step{Subject: "a", Measure: "tcp1", Seconds: 900, Error: "hung"})
	e.learn(report.Step{Subject: "b", Measure: "tcp1", Seconds: 8})
	for subject, want := range map[string]time.Duration{"a": 4 * time.Second, "b": 8 * time.Second, "c": 6 * time.Second} {
		if got := e.of(step{subject: subject, measure: m}); got != want {
			t.Errorf("%s: %v, want %v", subject, got, want)
		}
	}
}

// interruptAt cancels in the middle of the n-th step.
func interruptAt(f *fake, n int, cancel context.CancelFunc) {
	f.on = func(string) {
		if n--; n == 0 {
			cancel()
		}
	}
}
