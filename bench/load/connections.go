package load

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	defaultWorkers = 8
	maxWorkers     = 64
	openTime       = 2 * time.Second // for one connection: a SYN is sent again after 1 s
)

// ConnectionsOptions say how to connect.
type ConnectionsOptions struct {
	Workers  int           // connections at once, 1 to 64; 0: 8
	Duration time.Duration // of opening connections
}

// ConnectionsResult counts connections.
type ConnectionsResult struct {
	PerSecond float64 // Opened in Duration
	Opened    int     // connections that were opened, answered and closed
	Failed    int     // refused, reset or without an answer in 2 s
}

// Connections opens TCP connections, each by one of the workers: connect, the token and one byte, one byte back, and a close
// by reset, which leaves no port in TIME_WAIT, so that ports do not run out. Connections that are not answered when the time
// is over are not counted. When none was answered, that is an error which says why the last one failed.
func Connections(ctx context.Context, place Place, far Far, o ConnectionsOptions) (result ConnectionsResult, err error) {
	if o.Workers == 0 {
		o.Workers = defaultWorkers
	}
	if o.Workers < 1 || o.Workers > maxWorkers || o.Duration <= 0 {
		return result, fmt.Errorf("load: connections: %d workers for %v: want 1 to %d for more than no time",
			o.Workers, o.Duration, maxWorkers)
	}
	n, err := begin(ctx, "connections", place, far, AcceptTCP, o.Duration)
	if err != nil {
		return result, err
	}
	defer func() { n.finish(ctx, &err) }()
	workers, err := n.connect(ctx, o, time.Now().Add(o.Duration))
	if err != nil {
		return result, n.failed(ctx, err)
	}
	var last error
	for _, w := range workers {
		result.Opened += w.opened
		result.Failed += w.failed
		last = cmp.Or(w.last, last)
	}
	if result.Opened == 0 {
		return result, n.failed(ctx, fmt.Errorf("%w: %d connections failed: %w", ErrUnreachable, result.Failed, last))
	}
	result.PerSecond = float64(result.Opened) / o.Duration.Seconds()
	return result, nil
}

// connect lets the workers work until the end.
func (n *near) connect(ctx context.Context, o ConnectionsOptions, end time.Time) ([]*connector, error) {
	workers := make([]*connector, o.Workers)
	errs := make([]error, o.Workers)
	var wait sync.WaitGroup
	for i := range workers {
		w := &connector{near: n, end: end}
		workers[i] = w
		wait.Go(func() { errs[i] = w.run(ctx) })
	}
	wait.Wait()
	return workers, errors.Join(append(errs, ctx.Err())...)
}
