package bench

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weftnet/weft/bench/report"
)

// interrupt runs until the middle of the n-th step.
func interrupt(t *testing.T, o Options, f *fake, n int) error {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	interruptAt(f, n, cancel)
	_, err := run(ctx, o, f)
	f.on = nil
	f.mustHaveClosed(t)
	return err
}

func TestInterruptedRunIsKeptAndSaysHowToGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, o := newFake(), options(t)
		err := interrupt(t, o, f, 9)
		if !errors.Is(err, ErrInterrupted) || errors.Is(err, context.Canceled) {
			t.Fatalf("error = %v", err)
		}
		if want := "interrupted after 8 of 12 steps; the same command with --resume goes on"; !strings.Contains(err.Error(), want) {
			t.Errorf("error = %v", err)
		}
		r, err := report.Read(filepath.Join(o.Out, Unfinished))
		if err != nil {
			t.Fatal(err)
		}
		if r.Complete || len(r.Schedule) != 8 {
			t.Errorf("complete %v, %d steps", r.Complete, len(r.Schedule))
		}
	})
}

func TestResumedRunBeginsWithTheRoundThatWasInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, o := newFake(), options(t)
		interrupt(t, o, f, 9)
		time.Sleep(time.Hour)
		f.log, o.Resume = nil, true
		r := mustRun(t, o, f)
		if got := f.steps(); len(got) != 6 || got[0] != "vxlan verify" {
			t.Errorf("steps = %q", got)
		}
		if !r.Complete || len(r.Schedule) != 12 || r.Seconds < 12 || r.Seconds > 20 {
			t.Errorf("complete %v, %d steps, %v s", r.Complete, len(r.Schedule), r.Seconds)
		}
		for _, c := range r.Checks {
			if c.Rounds != 2 || !c.OK {
				t.Errorf("check = %+v, want two rounds", c)
			}
		}
		if len(r.Environment.Devices) != 2 {
			t.Errorf("devices = %v", r.Environment.Devices)
		}
		mustNotExist(t, filepath.Join(o.Out, Unfinished))
	})
}

func TestRunThatIsInterruptedAtAnyStepCanBeResumed(t *testing.T) {
	for n := 2; n <= 12; n++ {
		synctest.Test(t, func(t *testing.T) {
			f, o := newFake(), options(t)
			interrupt(t, o, f, n)
			o.Resume = true
			interrupt(t, o, f, 1) // once more, before anything new
			if r := mustRun(t, o, f); len(r.Schedule) != 12 {
				t.Errorf("interrupted at %d: %d steps", n, len(r.Schedule))
			}
		})
	}
}

func TestInterruptionBeforeTheFirstFigureLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, o := newFake(), options(t)
		err := interrupt(t, o, f, 1)
		if !errors.Is(err, ErrInterrupted) || !strings.Contains(err.Error(), "before anything was measured") {
			t.Errorf("error = %v", err)
		}
		mustNotExist(t, o.Out)
	})
}

func TestInterruptionDuringSetUpClosesWhatIsUp(t *testing.T) {
	f, o := newFake(), options(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := run(ctx, o, f); !errors.Is(err, ErrInterrupted) {
		t.Errorf("error = %v", err)
	}
	f.mustHaveClosed(t)
	mustNotExist(t, o.Out)
}

func TestSubjectThatEndsByTheInterruptionIsNotCalledDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		f, o := newFake(), options(t)
		o.Progress = &out
		ctx, cancel := context.WithCancel(t.Context())
		f.on = func(string) {
			cancel()
			f.dead["vxlan"] = errors.New("killed")
		}
		if _, err := run(ctx, o, f); !errors.Is(err, ErrInterrupted) || strings.Contains(out.String(), "dead") {
			t.Errorf("error = %v, said %q", err, out.String())
		}
	})
}

func TestUnfinishedRunIsNotOverwrittenUnasked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, o := newFake(), options(t)
		interrupt(t, o, f, 5)
		_, err := run(t.Context(), o, f)
		if err == nil || !strings.Contains(err.Error(), "--resume") || !strings.Contains(err.Error(), "--fresh") {
			t.Fatalf("error = %v", err)
		}
		f.log, o.Fresh = nil, true
		mustRun(t, o, f)
		if got := len(f.steps()); got != 12 {
			t.Errorf("%d steps, want all", got)
		}
	})
}

func TestResumingOnAnotherMachineNamesWhatDiffers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, o := newFake(), options(t)
		interrupt(t, o, f, 5)
		o.Resume = true
		for want, change := range map[string]func(*fake, *Options){
			"rounds: 2, now 3":                   func(_ *fake, o *Options) { o.Rounds = 3 },
			"underlay MTU: 1500, now 9000":       func(_ *fake, o *Options) { o.MTU = 9000 },
			"kernel: 6.1, now 6.2":               func(f *fake, _ *Options) { f.env.Kernel = "6.2" },
			"boot: one, now two":                 func(f *fake, _ *Options) { f.env.Boot = "two" },
			"version of weft: v1, now v2":        func(f *fake, _ *Options) { f.env.Weft = "v2" },
			"commit: abc1234, now abc1234-dirty": func(f *fake, _ *Options) { f.env.Commit = "abc1234-dirty" },
			"executable: , now ab12":             func(f *fake, _ *Options) { f.env.Binary = "ab12" },
			"measures: [tcp1 tcp4], now [tcp1]":  func(_ *fake, o *Options) { o.Only = o.Only[:3] },
		} {
			other, changed := *f, o
			change(&other, &changed)
			if _, err := run(t.Context(), changed, &other); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error = %v, want %q", err, want)
			}
		}
		mustRun(t, o, f) // and it is still there
	})
}

func TestDamagedUnfinishedRunIsRefusedInOneLine(t *testing.T) {
	f, o := newFake(), options(t)
	o.Resume = true
	if _, err := run(t.Context(), o, f); err == nil || !strings.Contains(err.Error(), "nothing to resume") {
		t.Errorf("nothing there: error = %v", err)
	}
	if err := os.MkdirAll(o.Out, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(o.Out, Unfinished), []byte(`{"schema": "weft-bench/1", "started`), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := run(t.Context(), o, f)
	if !errors.Is(err, report.ErrDamaged) || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "--fresh") {
		t.Errorf("damaged: error = %v", err)
	}
}

func TestSubjectThatIsGoneWhenTheRunIsResumedIsDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, o := newFake(), options(t)
		interrupt(t, o, f, 9)
		f.breaks, o.Resume = map[string]error{"vxlan": errors.New("no module")}, true
		r, err := run(t.Context(), o, f)
		if !errors.As(err, new(*ChecksError)) { // the payload could not be verified again
			t.Fatalf("error = %v", err)
		}
		i := slices.IndexFunc(r.Rows, func(r report.Row) bool { return r.Subject == "vxlan" })
		if row := r.Rows[i]; row.Stats.Count != 1 || !strings.Contains(row.Rounds[1].Error, "no module") {
			t.Errorf("row = %+v", row)
		}
	})
}
