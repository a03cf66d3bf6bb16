package report

import (
	"math"
	"slices"
)

// normalMAD turns a median absolute deviation into the standard deviation of normally distributed figures: 1/Φ⁻¹(3/4).
const normalMAD = 1.482602218505602

// smallMAD corrects the deviation estimated from few figures, by their number, since it comes out too small on average (C.
// Croux and P. Rousseeuw, "Time-efficient algorithms for two highly robust estimators of scale", 1992, section 3).
var smallMAD = [...]float64{0, 0, 1.196, 1.495, 1.363, 1.206, 1.200, 1.140, 1.129, 1.107}

// NewStats sums up values, which it leaves as they are. Without values all fields are zero; with one, MAD is zero. Values
// must be finite.
func NewStats(values []float64) Stats {
	if len(values) == 0 {
		return Stats{}
	}
	sorted := slices.Sorted(slices.Values(values))
	median := middle(sorted)
	distances := make([]float64, len(sorted))
	for i, v := range sorted {
		distances[i] = math.Abs(v - median)
	}
	slices.Sort(distances)
	return Stats{
		Count:  len(sorted),
		Median: median,
		Low:    sorted[0],
		High:   sorted[len(sorted)-1],
		MAD:    middle(distances),
	}
}

// Deviation estimates the standard deviation of the figures from their MAD, so that one disturbed round hardly moves it:
// 1.4826·MAD with the correction for few figures. It is 0 with fewer than two.
func (s Stats) Deviation() float64 {
	switch {
	case s.Count < 2:
		return 0
	case s.Count < len(smallMAD):
		return smallMAD[s.Count] * normalMAD * s.MAD
	}
	n := float64(s.Count)
	return n / (n - 0.8) * normalMAD * s.MAD
}

// MedianError estimates the standard error of the median: √(π/2)·σ/√n, which holds for normally distributed figures. It is 0
// with fewer than two.
func (s Stats) MedianError() float64 {
	if s.Count < 2 {
		return 0
	}
	return math.Sqrt(math.Pi/2) * s.Deviation() / math.Sqrt(float64(s.Count))
}

// Spread is half of the range from the lowest to the highest figure, as a share of the median: what stands behind ±. It is 0
// when the median is.
func (s Stats) Spread() float64 {
	if s.Median == 0 {
		return 0
	}
	return (s.High - s.Low) / 2 / math.Abs(s.Median)
}

// middle is the median of values in ascending order, of which there is at least one.
func middle(sorted []float64) float64 {
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return sorted[half-1] + (sorted[half]-sorted[half-1])/2
}
