package encap

import (
	"errors"
	"testing"
)

// An answer may take longer than the pause between two calls.
func TestTheResponseToAnyOfTheLastFourInitiationsIsTaken(t *testing.T) {
	for made := 1; made <= maxWaiting+1; made++ {
		a, b := pair(t)
		first, err := b.answer(t, a.initiation(t, start), start)
		if err != nil {
			t.Fatal(err)
		}
		for range made - 1 {
			if _, err := b.answer(t, a.initiation(t, start), start); err != nil {
				t.Fatal(err)
			}
		}
		err = a.Complete(first, start)
		if made > maxWaiting {
			if !errors.Is(err, ErrUnexpected) {
				t.Errorf("the first of %d: %v", made, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("the first of %d: %v", made, err)
		}
		if n := len(a.local.indexes.used); n != 1 {
			t.Errorf("%d indexes are in use after the first of %d", n, made)
		}
		a.probe(t, b, start)
		carry(t, b, a, []byte("from b"))
		carry(t, a, b, []byte("from a"))
	}
}
