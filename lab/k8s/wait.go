package k8s

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weftnet/weft/lab"
)

// hopeless is why waiting longer would not help.
type hopeless struct{ error }

func (h *hopeless) Unwrap() error { return h.error }

// pollEvery is how often poll asks: often enough for what takes seconds, and seldom enough for programs to be started each time.
const pollEvery = 200 * time.Millisecond

// poll calls ready until it returns nil or something hopeless; what it returned last is the reason when ctx ends first.
func poll(ctx context.Context, ready func() error) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		err := ready()
		if never := new(hopeless); err == nil || errors.As(err, &never) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		case <-tick.C:
		}
	}
}

// ended reports whether a program has ended.
func ended(p *lab.Process) bool {
	select {
	case <-p.Done():
		return true
	default:
		return false
	}
}
