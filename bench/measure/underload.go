package measure

import (
	"context"
	"errors"
	"fmt"
)

// errLoadEnded says that what was measured under load was partly measured without.
var errLoadEnded = errors.New("the load ended before the measurement under it")

// underLoad is something that is done while a load runs.
type underLoad struct {
	ended chan struct{} // closed when the load has ended
}

// run waits until the load flows, calls do, and checks that the load has not ended meanwhile.
func (l *underLoad) run(ctx context.Context, flows func() (bool, error), do func(context.Context) error) error {
	var failed error
	err := await(ctx, "the load", func() bool {
		var ready bool
		ready, failed = flows()
		return ready || failed != nil || l.over()
	})
	if err := errors.Join(failed, err); err != nil {
		return err
	}
	if l.over() {
		return fmt.Errorf("measure: %w", errLoadEnded)
	}
	if err := do(ctx); err != nil {
		return err
	}
	if l.over() {
		return fmt.Errorf("measure: %w", errLoadEnded)
	}
	return nil
}

func (l *underLoad) over() bool {
	select {
	case <-l.ended:
		return true
	default:
		return false
	}
}
