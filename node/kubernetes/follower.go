package kubernetes

import (
	"context"
	"encoding/binary"
	"io"
	"math"
	"net/netip"
	"sync"
	"time"
)

// FollowerConfig is what a Follower needs; all fields must be set.
type FollowerConfig struct {
	// Want is what to ask for now, and the podCIDRs in force; false: nothing is to be asked.
	Want func() (q Query, known []netip.Prefix, wanted bool)
	Ask  func(ctx context.Context, q Query) (Answer, error)
	// Take brings the podCIDRs of an answer to q into force; it is called with each, also when nothing has changed. An error says why
	// they cannot be; what was in force is then kept.
	Take func(q Query, a Answer) error
	// Told gets every new report, from the goroutine of Run.
	Told   func(Report)
	Random io.Reader
}

// Follower keeps up with the podCIDRs of a node.
type Follower struct {
	cfg      FollowerConfig
	wake     chan struct{}
	schedule schedule

	mu     sync.Mutex // guards report
	report Report
}

// Report is how it goes. The zero value: nothing was asked yet.
type Report struct {
	Query    Query
	Answer   Answer    // the latest; its PodCIDRs are those of the latest answer that had some
	Err      error     // why the latest question did not lead to podCIDRs in force; nil: it did, or there was none
	Since    time.Time // of the first question after which that was so
	Answered time.Time // when podCIDRs came last; zero: never
}

// NewFollower makes a Follower; Run makes it ask.
func NewFollower(cfg FollowerConfig) *Follower {
	return &Follower{cfg: cfg, wake: make(chan struct{}, 1)}
}

// Report is the latest one.
func (f *Follower) Report() Report {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.report
}

// Wake makes it ask at once, for what is wanted now. It never blocks.
func (f *Follower) Wake() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// Run asks again and again until ctx ends. It never fails.
func (f *Follower) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		var again <-chan time.Time // never, unless something is wanted
		if q, known, wanted := f.cfg.Want(); wanted {
			again = time.After(f.round(ctx, q, len(known) > 0))
		} else {
			f.publish(Report{})
		}
		select {
		case <-ctx.Done():
		case <-f.wake:
		case <-again:
		}
	}
	return nil
}

// round asks once, and returns how long to wait.
func (f *Follower) round(ctx context.Context, q Query, known bool) time.Duration {
	next := f.Report()
	if next.Query != q {
		next, f.schedule = Report{Query: q}, schedule{}
	}
	if next.Since.IsZero() {
		next.Since = time.Now()
	}
	answer, err := f.cfg.Ask(ctx, q)
	if ctx.Err() != nil {
		return 0
	}
	if err == nil {
		next.Answered = time.Now()
		err = f.cfg.Take(q, answer)
	} else {
		answer.PodCIDRs = next.Answer.PodCIDRs
	}
	next.Answer, next.Err = answer, err
	if err == nil {
		next.Since, known = time.Time{}, true
	}
	f.publish(next)
	return f.schedule.next(err != nil, known, f.spread())
}

func (f *Follower) publish(r Report) {
	f.mu.Lock()
	f.report = r
	f.mu.Unlock()
	f.cfg.Told(r)
}

// spread is a random number from 0 to 1.
func (f *Follower) spread() float64 {
	var raw [4]byte
	if _, err := io.ReadFull(f.cfg.Random, raw[:]); err != nil {
		return 0.5
	}
	return float64(binary.BigEndian.Uint32(raw[:])) / math.MaxUint32
}
