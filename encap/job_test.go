package encap

import (
	"errors"
	"testing"
	"time"
)

// step makes a job fail the test where it cannot begin.
func step(t *testing.T) func(*Job, error) *Job {
	return func(j *Job, err error) *Job {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		j.Compute()
		return j
	}
}

func TestInitiationThatIsOvertakenIsNotSent(t *testing.T) {
	a, b := pair(t)
	do := step(t)
	first, second := do(a.StartInitiate(start)), do(a.StartInitiate(start))
	frame, err := second.Finish(start)
	if err != nil {
		t.Fatal(err)
	}
	if frame, err := first.Finish(start); !errors.Is(err, ErrSuperseded) || frame != nil {
		t.Errorf("the first: %x, %v", frame, err)
	}
	response, err := b.answer(t, frame, start)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Complete(response, start); err != nil {
		t.Error(err)
	}
}

func TestStepsOfAClosedSessionComeToNothing(t *testing.T) {
	a, b := pair(t)
	do := step(t)
	initiation := a.initiation(t, start)
	m, err := b.local.ReadInitiation(initiation)
	if err != nil {
		t.Fatal(err)
	}
	accept := do(b.StartAccept(m, start))
	b.Close()
	if frame, err := accept.Finish(start); !errors.Is(err, ErrSuperseded) || frame != nil || len(b.indexes) != 0 {
		t.Errorf("accept: %x, %v, indexes %v", frame, err, b.indexes)
	}
	response, err := b.answer(t, a.initiation(t, start), start)
	if err != nil {
		t.Fatal(err)
	}
	complete := do(a.StartComplete(response))
	a.Close()
	if _, err := complete.Finish(start); !errors.Is(err, ErrUnexpected) || a.Current() != nil {
		t.Errorf("complete: %v", err)
	}
	initiate := do(a.StartInitiate(start))
	a.Close()
	if frame, err := initiate.Finish(start); !errors.Is(err, ErrSuperseded) || frame != nil {
		t.Errorf("initiate: %x, %v", frame, err)
	}
	b.Close()
	for name, n := range map[string]*node{"a": a, "b": b} {
		if used := len(n.local.indexes.used); used != 0 {
			t.Errorf("%s: %d indexes are in use", name, used)
		}
	}
}

// TestAnswersThatAreMadeAtOnceHaveDifferentRanks answers two initiations of one peer before either answer is finished, in both
// orders of their ends.
func TestAnswersThatAreMadeAtOnceHaveDifferentRanks(t *testing.T) {
	for _, swap := range []bool{false, true} {
		a, b := pair(t)
		do := step(t)
		var jobs []*Job
		for range 2 {
			m, err := b.local.ReadInitiation(a.initiation(t, start))
			if err != nil {
				t.Fatal(err)
			}
			jobs = append(jobs, do(b.StartAccept(m, start)))
		}
		responses := make([][]byte, 2)
		for i := range jobs {
			if swap {
				i = 1 - i
			}
			var err error
			if responses[i], err = jobs[i].Finish(start); err != nil {
				t.Fatal(err)
			}
		}
		if err := a.Complete(responses[1], start); err != nil {
			t.Fatal(err)
		}
		if err := a.Complete(responses[0], start); !errors.Is(err, ErrUnexpected) {
			t.Errorf("the response to the other initiation: %v", err)
		}
		a.probe(t, b, start)
		carry(t, b, a, []byte("from b"))
		carry(t, a, b, []byte("from a"))
	}
}

func TestForgedResponseBesideTheTrueOne(t *testing.T) {
	for _, forgedFirst := range []bool{false, true} {
		a, b := pair(t)
		do := step(t)
		response, err := b.answer(t, a.initiation(t, start), start)
		if err != nil {
			t.Fatal(err)
		}
		forged := markFor(a.local, flip(response[:len(response)-macLen], 8*(len(response)-macLen)-1))
		frames := [][]byte{response, forged}
		if forgedFirst {
			frames = [][]byte{forged, response}
		}
		var jobs []*Job
		for _, f := range frames {
			jobs = append(jobs, do(a.StartComplete(f)))
		}
		for _, j := range jobs {
			_, _ = j.Finish(start.Add(time.Second)) // one of them fails
		}
		if a.Current() == nil {
			t.Errorf("forged first %v: no session", forgedFirst)
		}
	}
}

func TestOneInitiationIsWorthABoundedNumberOfResponses(t *testing.T) {
	a, b := pair(t)
	response, err := b.answer(t, a.initiation(t, start), start)
	if err != nil {
		t.Fatal(err)
	}
	forged := markFor(a.local, flip(response[:len(response)-macLen], 8*(len(response)-macLen)-1))
	for range maxTries {
		if err := a.Complete(forged, start); !errors.Is(err, ErrAuth) {
			t.Fatalf("a forged response: %v", err)
		}
	}
	if err := a.Complete(response, start); !errors.Is(err, ErrUnexpected) {
		t.Errorf("one more: %v", err)
	}
	establish(t, a, b, start) // the next initiation begins anew
}

// TestTheAnswerOfTheHigherRankWaitsForItsFirstFrame finishes the answer to the later initiation first.
func TestTheAnswerOfTheHigherRankWaitsForItsFirstFrame(t *testing.T) {
	a, b := pair(t)
	do := step(t)
	var jobs []*Job
	for range 2 {
		m, err := b.local.ReadInitiation(a.initiation(t, start))
		if err != nil {
			t.Fatal(err)
		}
		jobs = append(jobs, do(b.StartAccept(m, start)))
	}
	for _, j := range []*Job{jobs[1], jobs[0]} {
		if _, err := j.Finish(start); err != nil {
			t.Fatal(err)
		}
	}
	if b.next.rank.generation != 2 || len(b.old) != 1 || b.old[0].keys.rank.generation != 1 || len(b.indexes) != 2 {
		t.Errorf("generation %d waits, %d are old, %d indexes", b.next.rank.generation, len(b.old), len(b.indexes))
	}
}

// A reload sets the age of keys while workers compute: the race detector watches.
func TestTheAgeOfKeysMayChangeWhileAJobComputes(t *testing.T) {
	a, _ := pair(t)
	j, err := a.StartInitiate(start)
	if err != nil {
		t.Fatal(err)
	}
	computed := make(chan struct{})
	go func() { defer close(computed); j.Compute() }()
	a.SetRekeyAfter(time.Minute)
	<-computed
	if frame, err := j.Finish(start); err != nil || frame == nil {
		t.Errorf("the initiation: %x, %v", frame, err)
	}
	if a.cfg.RekeyAfter != time.Minute || a.cfg.RejectAfter != 90*time.Second {
		t.Errorf("replaced after %v, dropped after %v", a.cfg.RekeyAfter, a.cfg.RejectAfter)
	}
}
