package render

import (
	"math"
)

// axis says where a value lies between the left and the right edge of a plot.
type axis struct {
	low, high   float64 // the values at the edges, low < high; both positive when logarithmic
	logarithmic bool
	ticks       []tick
}

// tick is a value that is marked at an axis.
type tick struct {
	value float64
	text  string
}

// tickRoom is the room that a tick needs beside its text, in pixels.
const tickRoom = 9.0

// maxTicks is how many ticks a linear axis has at most, besides the one at 0.
const maxTicks = 8

// share is where v lies: 0 at the left edge, 1 at the right. What lies outside is moved to the edge.
func (a axis) share(v float64) float64 {
	low, high := a.low, a.high
	if a.logarithmic {
		if v <= 0 {
			return 0
		}
		v, low, high = math.Log(v), math.Log(low), math.Log(high)
	}
	return min(1, max(0, (v-low)/(high-low)))
}

// What lies outside of these bounds is no measurement, and would run out of what a float64 can hold.
const tiny, huge = 1e-200, 1e200

// linearAxis goes from 0 to high on width pixels, with ticks at round values that have room; write gives their texts.
func linearAxis(high, width float64, write func(float64) string) axis {
	if !(high > tiny) || !(high < huge) {
		high = 1
	}
	a := axis{high: high}
	for step := roundBelow(high / 1000); step <= high; step = nextRound(step) {
		if ticks, ok := linearTicks(a, step, width, write); ok {
			a.ticks = ticks
			return a
		}
	}
	a.ticks = []tick{{0, write(0)}}
	return a
}

// linearTicks are the multiples of step, and whether their texts have room.
func linearTicks(a axis, step, width float64, write func(float64) string) ([]tick, bool) {
	n := int(a.high/step + 1e-9)
	if n > maxTicks {
		return nil, false
	}
	var ticks []tick
	for i := 0; i <= n; i++ {
		v := float64(i) * step
		ticks = append(ticks, tick{v, write(v)})
		if textWidth(ticks[i].text, sizeSmall, false)+tickRoom > step/a.high*width {
			return nil, false
		}
	}
	return ticks, true
}

// roundBelow is the largest of 1, 2 and 5 times a power of ten that is not larger than v > 0.
func roundBelow(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, digit := range []float64{5, 2} {
		if digit*power <= v {
			return digit * power
		}
	}
	return power
}

// nextRound is the next of 1, 2 and 5 times a power of ten behind step, which is one of them.
func nextRound(step float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(step)+1e-9))
	switch digit := math.Round(step / power); {
	case digit < 2:
		return 2 * power
	case digit < 5:
		return 5 * power
	}
	return 10 * power
}

// logAxis goes from below low to above high on width pixels, with ticks at powers of ten, and at 2 and 5 times those where all
// have room.
func logAxis(low, high, width float64, write func(float64) string) axis {
	if !(low > tiny) || !(high >= low) || !(high < huge) {
		low, high = 1, 10
	}
	a := axis{low: roundBelow(low * 0.9), high: nextRound(roundBelow(high * 1.05)), logarithmic: true}
	for _, digits := range [][]float64{{1, 2, 5}, {1}} {
		a.ticks = logTicks(a, digits, write)
		if a.fits(width) {
			return a
		}
	}
	for len(a.ticks) > 1 && !a.fits(width) {
		a.ticks = everySecond(a.ticks)
	}
	return a
}

func logTicks(a axis, digits []float64, write func(float64) string) []tick {
	var ticks []tick
	for power := math.Floor(math.Log10(a.low) + 1e-9); power <= math.Log10(a.high)+1e-9; power++ {
		for _, digit := range digits {
			v := digit * math.Pow(10, power)
			if v >= a.low*0.999 && v <= a.high*1.001 {
				ticks = append(ticks, tick{v, write(v)})
			}
		}
	}
	return ticks
}

// fits says whether the texts of the ticks have room.
func (a axis) fits(width float64) bool {
	for i := 1; i < len(a.ticks); i++ {
		before, now := a.ticks[i-1], a.ticks[i]
		need := (textWidth(before.text, sizeSmall, false)+textWidth(now.text, sizeSmall, false))/2 + tickRoom/2
		if (a.share(now.value)-a.share(before.value))*width < need {
			return false
		}
	}
	return true
}

func everySecond(ticks []tick) []tick {
	var kept []tick
	for i := 0; i < len(ticks); i += 2 {
		kept = append(kept, ticks[i])
	}
	return kept
}
