package measure

import (
	"context"
	"fmt"
	"os"
)

// Watch looks at the machine and at a subject's counters while something is measured. One goroutine uses it.
type Watch struct {
	target    Target
	processor processor
	foreign   *foreigners
	counters  snapshot
	dropped   uint64            // by the routers
	work      map[string]uint64 // of the routers
}

// Begin starts to watch. Processes count as ours when they are this one, a router of the subject, or a descendant of those;
// the routers of other subjects (Target.Others) do not: an idle subject that uses the processor disturbs the others. What runs outside of this process's PID namespace cannot be seen, unless as time that the hypervisor stole.
func Begin(ctx context.Context, t Target) (w *Watch, err error) {
	w = &Watch{target: t}
	if w.dropped, err = routerDrops(ctx, t); err != nil {
		return nil, err
	}
	if w.work, err = routerWork(ctx, t); err != nil {
		return nil, err
	}
	if w.counters, err = takeSnapshot(t.Spaces); err != nil {
		return nil, err
	}
	if w.foreign, err = watchForeigners(append(routers(t), os.Getpid()), others(t)); err != nil {
		return nil, err
	}
	if w.processor, err = readProcessor(); err != nil {
		return nil, err
	}
	return w, nil
}

// End says what happened since Begin. It may be called again, and then tells what happened until then.
func (w *Watch) End(ctx context.Context) (Observation, error) {
	now, err := readProcessor()
	if err != nil {
		return Observation{}, err
	}
	all, err := procs()
	if err != nil {
		return Observation{}, err
	}
	for _, pid := range routers(w.target) { // one may have been restarted, and its parent ended
		w.foreign.roots[pid] = true
	}
	counters, err := takeSnapshot(w.target.Spaces)
	if err != nil {
		return Observation{}, err
	}
	dropped, err := routerDrops(ctx, w.target)
	if err != nil {
		return Observation{}, err
	}
	work, err := routerWork(ctx, w.target)
	if err != nil {
		return Observation{}, err
	}
	spent := now.since(w.processor)
	o := Observation{
		Foreign:  share(w.foreign.used(all)+spent.steal, spent.total),
		Counters: counters.since(w.counters),
		Work:     growth(work, w.work),
	}
	if w.target.RouterDrops != nil {
		o.Counters[CounterRouter] = less(dropped, w.dropped) // one that was restarted counts from zero again
		o.Counters[CounterDrops] += o.Counters[CounterRouter]
	}
	return o, nil
}

// routerDrops are the packets that the routers have dropped; none when they do not tell.
func routerDrops(ctx context.Context, t Target) (uint64, error) {
	if t.RouterDrops == nil {
		return 0, nil
	}
	n, err := t.RouterDrops(ctx)
	if err != nil {
		return 0, fmt.Errorf("measure: drops of the routers: %w", err)
	}
	return n, nil
}

// others are the pids of other subjects' routers.
func others(t Target) []int {
	if t.Others == nil {
		return nil
	}
	return t.Others()
}

// share is part of whole, 0 to 1; the two are counted at slightly different moments.
func share(part, whole uint64) float64 {
	if whole == 0 {
		return 0
	}
	return min(float64(part)/float64(whole), 1)
}

// routers are the pids of the subject's routers; none when it forwards in the kernel.
func routers(t Target) []int {
	if t.Routers == nil {
		return nil
	}
	return t.Routers()
}
