package linkstate

import (
	"testing"
	"time"
)

func TestClassesOfRoundTrips(t *testing.T) {
	ms := func(n float64) time.Duration { return time.Duration(n * float64(time.Millisecond)) }
	for _, test := range []struct {
		rtt    time.Duration
		class  RTTClass
		middle time.Duration
		text   string
	}{
		{ms(0.1), 0, ms(0.25), "<0.5 ms"},
		{ms(0.5), 1, ms(0.75), "0.5-1 ms"},
		{ms(5), 4, ms(6), "4-8 ms"},
		{ms(100), 8, ms(96), "64-128 ms"},
		{ms(1023), 11, ms(768), "512-1024 ms"},
		{ms(1024), 12, ms(1536), ">1 s"},
		{time.Hour, 12, ms(1536), ">1 s"},
		{0, 8, ms(96), "64-128 ms"}, // not known
	} {
		c := rttClass(test.rtt, 0, false)
		if c != test.class || c.Middle() != test.middle || c.String() != test.text {
			t.Errorf("%v is of class %d (%v, %v), want %d (%v, %s)", test.rtt, c, c, c.Middle(), test.class, test.middle, test.text)
		}
		if from, to := c.Range(); test.rtt > 0 && (test.rtt < from || to > 0 && test.rtt >= to || (to == 0) != (c == MaxRTTClass)) {
			t.Errorf("%v is not from %v to below %v", test.rtt, from, to)
		}
	}
}

func TestClassesOfLosses(t *testing.T) {
	for _, test := range []struct {
		loss  float64
		class LossClass
		cost  time.Duration
		text  string
	}{
		{0, 0, 0, "0 %"}, {0.005, 1, 5 * time.Millisecond, "<1 %"}, {0.02, 2, 20 * time.Millisecond, "1-3 %"},
		{0.09, 3, 65 * time.Millisecond, "3-10 %"}, {0.2, 4, 200 * time.Millisecond, "10-30 %"}, {1, 5, 650 * time.Millisecond, ">=30 %"},
	} {
		c := lossClass(test.loss, 0, false)
		if c != test.class || Cost(0, c)-Cost(0, 0) != test.cost || c.String() != test.text {
			t.Errorf("%v is of class %d (%v), which costs %v, want %d (%s), %v", test.loss, c, c, Cost(0, c)-Cost(0, 0), test.class, test.text, test.cost)
		}
	}
}

func TestAMeasurementNearTheEndOfItsClassChangesNothing(t *testing.T) {
	class, known := RTTClass(0), false
	changes := 0
	for i := range 100 { // between 7.2 and 8.8 ms, around the end at 8 ms
		rtt := 8*time.Millisecond + time.Duration(i%3-1)*800*time.Microsecond
		if next := rttClass(rtt, class, known); next != class || !known {
			class, known = next, true
			changes++
		}
	}
	if changes != 1 {
		t.Errorf("%d changes", changes)
	}
	if got := rttClass(11*time.Millisecond, 4, true); got != 5 {
		t.Errorf("11 ms after 4-8 ms is of class %d", got)
	}
	if got := rttClass(100*time.Microsecond, 5, true); got != 0 {
		t.Errorf("0.1 ms is of class %d", got)
	}
	if got := lossClass(0.0105, 1, true); got != 1 {
		t.Errorf("1.05 %% after less than 1 %% is of class %d", got)
	}
	if got := lossClass(0, 3, true); got != 0 {
		t.Errorf("no loss is of class %d", got)
	}
}
