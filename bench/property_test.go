package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/weftnet/weft/bench/report"
)

// misfortune is what happens to one process of a run.
type misfortune struct {
	failing     map[int]bool // steps of this process, from 1
	kills       int          // the step in which its subject dies; 0: none
	interrupted int          // the step in which the context ends; 0: none
}

func drawMisfortune(t *rapid.T, last bool) misfortune {
	m := misfortune{failing: map[int]bool{}}
	for _, n := range rapid.SliceOfN(rapid.IntRange(1, 16), 0, 4).Draw(t, "failing") {
		m.failing[n] = true
	}
	m.kills = rapid.SampledFrom([]int{0, 0, 0, 1, 2, 5, 9}).Draw(t, "kills")
	if !last {
		m.interrupted = rapid.IntRange(1, 16).Draw(t, "interrupted")
	}
	return m
}

// befall lets it happen.
func (m misfortune) befall(f *fake, cancel context.CancelFunc) {
	n := 0
	f.failing, f.dead = map[string]error{}, map[string]error{}
	f.on = func(name string) {
		n++
		delete(f.failing, name)
		if m.failing[n] {
			f.failing[name] = errors.New("failed")
		}
		if n == m.kills {
			f.failing[name] = errors.New("connection reset")
			f.dead[subjectOf(f, name)] = errors.New("killed")
		}
		if n == m.interrupted {
			cancel()
		}
	}
}

// subjectOf is the subject of a step's name.
func subjectOf(f *fake, name string) string {
	for _, s := range f.names {
		if len(name) > len(s) && name[:len(s)+1] == s+" " {
			return s
		}
	}
	panic(name)
}

func TestWhateverBefallsARunWhatIsOnTheDiskIsAValidReport(t *testing.T) {
	base := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		o := Options{Only: []string{"vxlan", "weft-super-clear", "tcp1", "memory"}, Rounds: rapid.IntRange(1, 3).Draw(rt, "rounds")}
		var all []misfortune
		for range rapid.IntRange(0, 3).Draw(rt, "interruptions") {
			all = append(all, drawMisfortune(rt, false))
		}
		all = append(all, drawMisfortune(rt, true))
		var err error
		if o.Out, err = os.MkdirTemp(base, ""); err != nil {
			rt.Fatal(err)
		}
		synctest.Test(t, func(t *testing.T) { err = befallen(t, o, all) })
		if err != nil {
			rt.Fatal(err)
		}
	})
}

// befallen runs until the run is complete, each process with a misfortune of its own; the last one is not interrupted.
func befallen(t *testing.T, o Options, all []misfortune) error {
	f := newFake()
	for _, m := range all {
		ctx, cancel := context.WithCancel(t.Context())
		m.befall(f, cancel)
		r, err := run(ctx, o, f)
		cancel()
		f.mustHaveClosed(t)
		if !errors.Is(err, ErrInterrupted) {
			return mustBeWhole(o, r, err)
		}
		kept, err := report.Read(filepath.Join(o.Out, Unfinished))
		if err == nil && kept.Complete || err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("unfinished run: %w", err)
		}
		o.Resume = err == nil
		time.Sleep(time.Minute)
	}
	return errors.New("the last process was not interrupted, and is not complete")
}

// mustBeWhole checks a run that came to its end.
func mustBeWhole(o Options, r *report.Report, err error) error {
	if err != nil && !errors.As(err, new(*ChecksError)) {
		return err
	}
	if read, err := report.Read(o.Out); err != nil || !read.Complete || len(read.Schedule) != len(r.Schedule) {
		return fmt.Errorf("report: %w", err)
	}
	for _, c := range r.Checks {
		if c.Rounds > o.Rounds || c.Name == "payload" && c.Rounds != min(o.Rounds, 2) {
			return fmt.Errorf("check = %+v of %d rounds", c, o.Rounds)
		}
	}
	return nil
}
