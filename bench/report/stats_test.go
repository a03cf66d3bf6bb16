package report

import (
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

func TestStatsOfKnownFigures(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   Stats
	}{
		{nil, Stats{}},
		{[]float64{7}, Stats{1, 7, 7, 7, 0, 0}},
		{[]float64{4, 2}, Stats{2, 3, 2, 4, 1, 0}},
		{[]float64{5, 1, 100}, Stats{3, 5, 1, 100, 4, 0}},
		{[]float64{1, 1, 2, 2, 4, 6, 9}, Stats{7, 2, 1, 9, 1, 0}},
		{[]float64{-1, 1, -3, 3}, Stats{4, 0, -3, 3, 2, 0}},
	} {
		if got := NewStats(c.values); got != c.want {
			t.Errorf("%v: %+v, want %+v", c.values, got, c.want)
		}
	}
}

func TestStatsLeaveTheirFiguresAsTheyAre(t *testing.T) {
	values := []float64{3, 1, 2}
	NewStats(values)
	if values[0] != 3 || values[1] != 1 {
		t.Errorf("values = %v", values)
	}
}

func TestMedianLiesAmongTheFiguresAndFollowsScaleAndShift(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(-1e12, 1e12), 1, 40).Draw(t, "values")
		s := NewStats(values)
		if s.Low > s.Median || s.Median > s.High || s.MAD < 0 || s.MAD > s.High-s.Low || s.Count != len(values) {
			t.Fatalf("%+v", s)
		}
		doubled := make([]float64, len(values))
		for i, v := range values {
			doubled[len(values)-1-i] = 2 * v // exact, and in another order
		}
		if d := NewStats(doubled); d.Median != 2*s.Median || d.MAD != 2*s.MAD {
			t.Fatalf("doubled: %+v, was %+v", d, s)
		}
	})
}

func TestDeviationOfNormalFiguresIsTheirs(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{3, 4, 5, 7, 9, 10, 20} {
		const samples = 20000
		sum := 0.0
		for range samples {
			sum += normalStats(random, n, 1000, 10).Deviation()
		}
		if mean := sum / samples; math.Abs(mean-10) > 0.5 {
			t.Errorf("of %d figures: mean deviation %.2f, want 10", n, mean)
		}
	}
}

func normalStats(random *rand.Rand, n int, mean, deviation float64) Stats {
	values := make([]float64, n)
	for i := range values {
		values[i] = mean + deviation*random.NormFloat64()
	}
	return NewStats(values)
}

func TestMedianErrorOfNormalFiguresIsThatOfTheirMedian(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	const samples, n = 4000, 101
	squares, claimed := 0.0, 0.0
	for range samples {
		s := normalStats(random, n, 0, 1)
		squares += s.Median * s.Median
		claimed += s.MedianError()
	}
	if seen := math.Sqrt(squares / samples); math.Abs(claimed/samples/seen-1) > 0.05 {
		t.Errorf("the median deviates by %.4f, claimed %.4f", seen, claimed/samples)
	}
}

func TestSpreadIsHalfTheRangeAsShareOfTheMedian(t *testing.T) {
	if got := NewStats([]float64{90, 100, 120}).Spread(); got != 0.15 {
		t.Errorf("spread = %v", got)
	}
	if got := NewStats([]float64{0, 0, 3}).Spread(); got != 0 {
		t.Errorf("spread around zero = %v", got)
	}
}
