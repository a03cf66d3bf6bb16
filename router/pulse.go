package router

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
)

// pulses are the rounds in which the loops show that they go on. A loop that polls looks at the round in every turn, which
// is one atomic load; a loop that waits in a call which only traffic ends says so before it does.
type pulses struct {
	round  atomic.Uint64
	answer chan struct{} // a loop answered; one that is full says it, too
	asking chan struct{} // holds one while a round is asked for: one at a time
}

func newPulses() pulses {
	return pulses{answer: make(chan struct{}, 1), asking: make(chan struct{}, 1)}
}

// beat is what one loop says of itself. One loop writes it, any goroutine reads it.
type beat struct {
	pulses   *pulses
	seen     uint64        // the last round that the loop answered; its own
	answered atomic.Uint64 // the same, for others
	resting  atomic.Bool   // it waits in a call which only traffic ends
}

// turn answers the present round, once. The loop calls it in every turn.
func (b *beat) turn() {
	if round := b.pulses.round.Load(); round != b.seen {
		b.respond(round)
	}
}

func (b *beat) respond(round uint64) {
	b.seen = round
	b.answered.Store(round)
	select {
	case b.pulses.answer <- struct{}{}:
	default:
	}
}

// rest says that the loop is about to wait for traffic, in a call that nobody can wake; work, that it is back. A round that
// began before rest is answered by it: whoever asked either sees that the loop rests, or is seen by it.
func (b *beat) rest() {
	b.resting.Store(true)
	b.turn()
}

func (b *beat) work() { b.resting.Store(false) }

// alive reports whether the loop has answered the round, or waits for traffic.
func (b *beat) alive(round uint64) bool { return b.answered.Load() == round || b.resting.Load() }

// SilentError names the loops that did not answer in time.
type SilentError struct {
	Silent []string // "control", "control port", "lane 0", or "lane 0 (device)" where the device is read by a loop of its own
}

// Error implements error.
func (e *SilentError) Error() string {
	return fmt.Sprintf("router: no answer from %s", strings.Join(e.Silent, ", "))
}

// Pulse asks control and the loops of every lane and of the control port for an answer, and waits for all of them until ctx ends. A lane that waits
// is woken; a busy one answers between two drains. A loop that reads a device or a port that cannot be polled has answered,
// too, while it waits for traffic. It returns nil when all answered, a *SilentError that names those that did not, or
// ErrStopped. It may be called from any goroutine; a second caller waits for the first, and gets an error that wraps ctx's
// where that takes too long.
func (r *Router) Pulse(ctx context.Context) error {
	select {
	case r.pulses.asking <- struct{}{}:
		defer func() { <-r.pulses.asking }()
	case <-ctx.Done():
		return fmt.Errorf("router: wait for an earlier pulse: %w", ctx.Err())
	}
	round := r.pulses.round.Add(1)
	r.wake()
	silent := append(r.awaitControl(ctx), r.awaitLanes(ctx, round)...)
	select {
	case <-r.done:
		return ErrStopped
	default:
	}
	if len(silent) > 0 {
		return &SilentError{Silent: silent}
	}
	return nil
}

// awaitControl waits for a turn of the control goroutine, and names it if there is none.
func (r *Router) awaitControl(ctx context.Context) (silent []string) {
	answered := make(chan struct{})
	select {
	case r.calls <- func() { close(answered) }:
	case <-r.done:
	case <-ctx.Done():
		return []string{"control"}
	}
	select {
	case <-answered:
	case <-r.done:
	case <-ctx.Done():
		return []string{"control"}
	}
	return nil
}

// awaitLanes waits for the loops of all lanes, and names those that did not answer.
func (r *Router) awaitLanes(ctx context.Context, round uint64) (silent []string) {
	for {
		if silent = r.silent(round); len(silent) == 0 {
			return nil
		}
		select {
		case <-r.pulses.answer:
		case <-r.done:
			return nil
		case <-ctx.Done():
			return r.silent(round)
		}
	}
}

// silent names the loops that have not answered the round.
func (r *Router) silent(round uint64) (list []string) {
	dev := r.dev.Load()
	if c := r.controlPort; c != nil && !c.beat.alive(round) {
		list = append(list, "control port")
	}
	for _, l := range r.lanes {
		if !l.portBeat.alive(round) {
			list = append(list, fmt.Sprintf("lane %d", l.id))
		}
		if l.polls(dev) == nil && !dev.lost.Load() && !l.deviceBeat.alive(round) {
			list = append(list, fmt.Sprintf("lane %d (device)", l.id))
		}
	}
	return list
}
