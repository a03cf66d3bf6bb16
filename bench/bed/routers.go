package bed

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/weftnet/weft/lab"
)

// stopWithin is how long a router may take to end when it is asked to.
const stopWithin = 20 * time.Second

// dropper is a Running whose routers tell how many packets they dropped since they started.
type dropper interface {
	drops(ctx context.Context) (uint64, error)
}

// worker is a Running whose routers tell totals of their work since they started, both together.
type worker interface {
	work(ctx context.Context) (map[string]uint64, error)
}

// routers are the processes of a subject in user space, that of host a and that of host b.
type routers struct {
	mu         sync.Mutex // guards what follows
	processes  [2]*lab.Process
	restarting bool // b ends because it was asked to
}

// set notes a router that was started on the end of that number.
func (r *routers) set(i int, p *lab.Process) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.processes[i] = p
}

// Routers are the pids of those that run now.
func (r *routers) Routers() []int {
	r.mu.Lock()
	defer r.mu.Unlock()
	var pids []int
	for _, p := range r.processes {
		if p != nil && !over(p) {
			pids = append(pids, p.PID())
		}
	}
	return pids
}

// Ended says which router ended without being asked, and its last words.
func (r *routers) Ended() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, p := range r.processes {
		if p == nil || !over(p) || i == 1 && r.restarting {
			continue
		}
		return fmt.Errorf("the router of host %s ended: %w", [2]string{"a", "b"}[i], endOf(p))
	}
	return nil
}

// restart ends host b's router with SIGTERM, as systemctl restart does, and calls start when it is gone.
func (r *routers) restart(ctx context.Context, start func(context.Context) error) error {
	r.mu.Lock()
	old := r.processes[1]
	r.restarting = true
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.restarting = false
	}()
	if err := stop(ctx, old); err != nil {
		return fmt.Errorf("bed: stop the router of host b: %w", err)
	}
	if err := start(ctx); err != nil {
		return fmt.Errorf("bed: start the router of host b again: %w", err)
	}
	return nil
}

// stop ends a process in order and waits for its end.
func stop(ctx context.Context, p *lab.Process) error {
	ctx, cancel := context.WithTimeoutCause(ctx, stopWithin, fmt.Errorf("it did not end within %s of SIGTERM", stopWithin))
	defer cancel()
	if err := p.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return p.Wait(ctx)
}

// over reports whether a process has ended.
func over(p *lab.Process) bool {
	select {
	case <-p.Done():
		return true
	default:
		return false
	}
}

// endOf is how a process that is over has ended.
func endOf(p *lab.Process) error {
	err := p.Wait(context.Background()) // at once
	if exit := new(lab.ExitError); err == nil || errors.As(err, &exit) && exit.Code < 0 {
		return errors.New(p.State().String()) // by a signal: its last words tell nothing of it
	}
	return err
}
