package kubernetes

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestTheScheduleWaitsLongerAfterEachFailureAndIsNeverInStep(t *testing.T) {
	var s schedule
	for i, want := range []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 5 * time.Second, 5 * time.Second} {
		if got := s.next(true, false, 0.5); got != want {
			t.Errorf("after %d failures: %v, want %v", i+1, got, want)
		}
	}
	for range 100 {
		s.next(true, true, 0.5)
	}
	if got := s.next(true, true, 0.5); got != mostKnowing {
		t.Errorf("with podCIDRs from before, after many failures: %v, want %v", got, mostKnowing)
	}
	if got := s.next(false, true, 0.5); got != settledWait {
		t.Errorf("after an answer: %v, want %v", got, settledWait)
	}
	if got := s.next(true, false, 0.5); got != leastWait {
		t.Errorf("after an answer and a failure: %v, want %v", got, leastWait)
	}
	s = schedule{}
	if low, high := s.next(false, true, 0), s.next(false, true, 1); low != settledWait*3/4 || high != settledWait*5/4 {
		t.Errorf("from %v to %v", low, high)
	}
}

// world is what a Follower sees, in virtual time.
type world struct {
	mu      sync.Mutex // guards the rest
	query   Query
	wanted  bool
	known   []netip.Prefix
	answers map[string][]netip.Prefix // by node
	err     error                     // of Ask
	refused error                     // of Take
	asked   []time.Duration           // since the start
	taken   int
	begun   time.Time
}

func (w *world) follower() *Follower {
	w.begun = time.Now()
	return NewFollower(FollowerConfig{
		Want: func() (Query, []netip.Prefix, bool) {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.query, w.known, w.wanted
		},
		Ask: func(_ context.Context, q Query) (Answer, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.asked = append(w.asked, time.Since(w.begun))
			return Answer{Server: "https://s", PodCIDRs: w.answers[q.Node]}, w.err
		},
		Take: func(_ Query, a Answer) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.refused == nil {
				w.known, w.taken = a.PodCIDRs, w.taken+1
			}
			return w.refused
		},
		Told:   func(Report) {},
		Random: rand.NewChaCha8([32]byte{1}),
	})
}

// change changes what the Follower sees.
func (w *world) change(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// follow runs a Follower in a bubble, until the test ends.
func follow(t *testing.T, w *world, test func(*Follower)) {
	synctest.Test(t, func(t *testing.T) {
		f := w.follower()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- f.Run(ctx) }()
		synctest.Wait()
		test(f)
		cancel()
		must(t, <-ended)
	})
}

func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestItAsksEveryFewSecondsUntilThereArePodCIDRsAndEveryFewMinutesLater(t *testing.T) {
	w := &world{query: Query{Node: "vm-1"}, wanted: true, err: errorf(NoPodCIDRs, "none yet")}
	follow(t, w, func(f *Follower) {
		after(time.Minute)
		if n := len(w.asked); n < 10 || n > 25 || w.asked[0] != 0 {
			t.Errorf("asked %d times in a minute: %v", n, w.asked)
		}
		r := f.Report()
		if KindOf(r.Err) != NoPodCIDRs || !r.Since.Equal(w.begun) || w.taken > 0 {
			t.Errorf("%+v", r)
		}
		w.change(func() { w.err, w.answers = nil, map[string][]netip.Prefix{"vm-1": prefixes("10.42.1.0/24")} })
		after(7 * time.Second)
		if w.taken != 1 || f.Report().Err != nil || !f.Report().Since.IsZero() {
			t.Fatalf("after 7 s taken %d times: %+v", w.taken, f.Report())
		}
		w.change(func() { w.asked = nil })
		after(time.Hour)
		if n := len(w.asked); n < 24 || n > 40 {
			t.Errorf("asked %d times in an hour", n)
		}
	})
}

func TestAServerThatIsAwayKeepsWhatWasKnown(t *testing.T) {
	w := &world{query: Query{Node: "vm-1"}, wanted: true, answers: map[string][]netip.Prefix{"vm-1": prefixes("10.42.1.0/24")}}
	follow(t, w, func(f *Follower) {
		answered := f.Report().Answered
		w.change(func() { w.err = errorf(Unreachable, "gone") })
		after(time.Hour)
		r := f.Report()
		if KindOf(r.Err) != Unreachable || !slices.Equal(r.Answer.PodCIDRs, prefixes("10.42.1.0/24")) || r.Since.Before(answered) || w.taken > 29 {
			t.Errorf("%+v", r)
		}
		if n := len(w.asked); n < 45 || n > 90 {
			t.Errorf("asked %d times in an hour", n)
		}
		w.change(func() { w.err = nil })
		after(2 * time.Minute)
		if r := f.Report(); r.Err != nil || !r.Answered.After(answered) {
			t.Errorf("%+v", r)
		}
	})
}

func TestPodCIDRsThatCannotBeTakenAreAskedForAgain(t *testing.T) {
	w := &world{query: Query{Node: "vm-1"}, wanted: true, refused: errors.New("not inside network"), answers: map[string][]netip.Prefix{"vm-1": prefixes("10.42.1.0/24")}}
	follow(t, w, func(f *Follower) {
		after(time.Minute)
		if r := f.Report(); r.Err != w.refused || len(w.asked) < 10 || len(w.known) > 0 {
			t.Errorf("%+v, asked %d times", r, len(w.asked))
		}
		w.change(func() { w.refused = nil })
		after(7 * time.Second)
		if len(w.known) != 1 {
			t.Errorf("known %v", w.known)
		}
	})
}

func TestAnotherNodesNameIsAskedForAtOnceAndNothingWhileNothingIsWanted(t *testing.T) {
	w := &world{query: Query{Node: "vm-1"}}
	follow(t, w, func(f *Follower) {
		after(time.Hour)
		if len(w.asked) > 0 {
			t.Fatalf("asked %v", w.asked)
		}
		w.change(func() {
			w.wanted, w.answers = true, map[string][]netip.Prefix{"vm-1": prefixes("10.42.1.0/24"), "vm-2": prefixes("10.42.2.0/24")}
		})
		f.Wake()
		synctest.Wait()
		w.change(func() { w.query.Node = "vm-2" })
		f.Wake()
		synctest.Wait()
		if len(w.asked) != 2 || !slices.Equal(w.known, w.answers["vm-2"]) || f.Report().Query.Node != "vm-2" {
			t.Errorf("asked %v, known %v", w.asked, w.known)
		}
		w.change(func() { w.wanted = false })
		f.Wake()
		synctest.Wait()
		if r := f.Report(); r.Query.Node != "" {
			t.Errorf("%+v", r)
		}
	})
}

func TestAStopEndsAQuestionUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := false
		f := NewFollower(FollowerConfig{
			Want: func() (Query, []netip.Prefix, bool) { return Query{Node: "vm-1"}, nil, true },
			Ask: func(ctx context.Context, _ Query) (Answer, error) {
				<-ctx.Done()
				return Answer{}, ctx.Err()
			},
			Told: func(Report) { told = true }, Random: rand.NewChaCha8([32]byte{}),
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := f.Run(ctx); err != nil || told {
			t.Errorf("%v, told %v", err, told)
		}
	})
}
