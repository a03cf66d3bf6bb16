package router

import "testing"

// looks is how often a spin looks in vain before it waits.
func looks(s *spin) (n int) {
	for s.again() {
		n++
	}
	return n
}

// work lets the next look find something.
func work(s *spin) {
	s.again()
	s.worked()
}

func TestALaneThatFindsWorkByLookingLooksTwiceAsOftenUpToTheMost(t *testing.T) {
	s := newSpin(50)
	for _, want := range []int{8, 16, 32, 50, 50} {
		work(&s)
		if s.limit != want {
			t.Fatalf("limit %d, want %d", s.limit, want)
		}
	}
}

func TestALaneThatLooksInVainLooksHalfAsOftenDownToTheFloor(t *testing.T) {
	s := newSpin(50)
	for range 10 {
		work(&s)
	}
	for _, want := range []int{50, 25, 12, 6, spinFloor, spinFloor} {
		if got := looks(&s); got != want {
			t.Fatalf("%d looks, want %d", got, want)
		}
	}
}

func TestALaneThatMayNotSpinWaitsAtOnceForEver(t *testing.T) {
	s := newSpin(0)
	for range 10 {
		s.worked()
		if n := looks(&s); n != 0 {
			t.Fatalf("%d looks", n)
		}
	}
}

func TestTheMostMayBeLessThanTheFloor(t *testing.T) {
	s := newSpin(3)
	for range 5 {
		if n := looks(&s); n != 3 {
			t.Fatalf("%d looks, want 3", n)
		}
		work(&s)
	}
}

func TestWorkThatTheFirstLookFindsSaysNothingAboutLooking(t *testing.T) {
	s := newSpin(50)
	for range 10 {
		s.worked()
	}
	if n := looks(&s); n != spinFloor {
		t.Errorf("%d looks, want %d", n, spinFloor)
	}
}

func TestLooksAreCountedAnewAfterWorkAndAfterAWait(t *testing.T) {
	s := newSpin(100)
	for range 3 {
		s.again()
	}
	s.worked()
	if got := looks(&s); got != 8 {
		t.Errorf("%d looks after work, want 8", got)
	}
	if got := looks(&s); got != spinFloor {
		t.Errorf("%d looks after a wait, want %d", got, spinFloor)
	}
}
