package bench

import (
	"context"

	"github.com/weftnet/weft/bench/measure"
	"github.com/weftnet/weft/bench/report"
)

// machine is what a run needs of the world: the real one (local), or a fake in tests.
type machine interface {
	subjects() []subject                             // all, in the order in which a round visits them
	measures() []measure.Measure                     // all, in the order of a visit
	measure(name string) (measure.Measure, bool)     // by its name or an alias of it
	ready(p plan) error                              // whether the plan can be carried out here: programs, rights, sizes
	acquire() (release func(), err error)            // the right to measure on this machine, which one bench has at a time
	unavailable(ctx context.Context, s string) error // why the subject cannot run here; nil when it can
	open(ctx context.Context, s string) (stand, error)
	publish(dir string, r *report.Report) error         // what is made out of the report, which is there already
	environment(ctx context.Context) report.Environment // without devices
}

// subject is one that a machine knows.
type subject struct{ name, about string }

// stand is a subject that is up.
type stand interface {
	target() measure.Target
	details(ctx context.Context) (map[string]string, error)
	devices() ([]report.Device, error)
	begin(ctx context.Context, others func() []int) (watch, error) // others: the pids of other stands' routers
	verify(ctx context.Context) ([]measure.Finding, error)
	dead() error // why nothing more can be measured; nil while the subject is alive
	Close() error
}

// watch looks at the machine while something is measured.
type watch interface {
	end(ctx context.Context) (sight, error)
}

// sight is what a watch saw.
type sight struct {
	measure.Observation
	findings []measure.Finding
}

func subjectName(s subject) string                { return s.name }
func measureName(m measure.Measure) string        { return m.ID() }
func subjectNames(all []subject) []string         { return names(all, subjectName) }
func measureNames(all []measure.Measure) []string { return names(all, measureName) }

func names[T any](all []T, name func(T) string) []string {
	list := make([]string, len(all))
	for i, one := range all {
		list[i] = name(one)
	}
	return list
}
