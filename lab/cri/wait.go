package cri

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/weftnet/weft/lab"
)

// hopeless is why waiting longer would not help.
type hopeless struct{ error }

func (h *hopeless) Unwrap() error { return h.error }

// Hopeless makes an error end Poll.
func Hopeless(err error) error { return &hopeless{err} }

// pollEvery is how often Poll asks: often enough for what takes seconds, and seldom enough for programs to be started each time.
const pollEvery = 200 * time.Millisecond

// Poll calls ready until it returns nil or something hopeless; what it returned last is the reason when ctx ends first.
func Poll(ctx context.Context, ready func() error) error {
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

// Ended reports whether a program has ended.
func Ended(p *lab.Process) bool {
	select {
	case <-p.Done():
		return true
	default:
		return false
	}
}

// LastLines is the end of what a program has written to standard error.
func LastLines(p *lab.Process, n int) string {
	text, err := p.Stderr()
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
