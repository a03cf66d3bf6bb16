package render

import (
	"math"
	"strconv"
)

// missing stands where there is no figure.
const missing = "–"

// scale is how figures of one unit are written: divided, and with a suffix.
type scale struct {
	divisor float64
	suffix  string
}

// ladders are the scales of each unit of report.Metric, the largest first.
var ladders = map[string][]scale{
	"bit/s":     {{1e12, "Tbit/s"}, {1e9, "Gbit/s"}, {1e6, "Mbit/s"}, {1e3, "kbit/s"}, {1, "bit/s"}},
	"packets/s": {{1e6, "M/s"}, {1e3, "k/s"}, {1, "/s"}},
	"1/s":       {{1e6, "M/s"}, {1e3, "k/s"}, {1, "/s"}},
	"s":         {{1, "s"}, {1e-3, "ms"}, {1e-6, "µs"}, {1e-9, "ns"}},
	anyUnit:     {{1e9, "G"}, {1e6, "M"}, {1e3, "k"}, {1, ""}, {1e-3, "m"}, {1e-6, "µ"}},
	"bytes":     {{1e9, "GB"}, {1e6, "MB"}, {1e3, "kB"}, {1, "B"}},
}

// anyUnit is the unit of figures that do not say theirs: only thousands and thousandths are named.
const anyUnit = "any"

// plainBytes is the size, in bytes, below which bytes are written out: an MTU is 1450 B, not 1.45 kB.
const plainBytes = 100e3

// scaleFor is the scale in which v is written best: the largest that leaves at least 1 before the point, once rounded.
func scaleFor(unit string, v float64) scale {
	ladder, ok := ladders[unit]
	if !ok {
		return scale{1, unit}
	}
	last := ladder[len(ladder)-1]
	if v == 0 && unit == anyUnit {
		return scale{1, ""}
	}
	if v == 0 || !finite(v) || unit == "bytes" && math.Abs(v) < plainBytes {
		return last
	}
	for _, s := range ladder {
		if math.Abs(v)/s.divisor >= 0.9995 {
			return s
		}
	}
	return last
}

// number writes v in the scale, without the suffix.
func (s scale) number(v float64) string {
	if s.divisor == 1 && v == math.Trunc(v) && math.Abs(v) < 1e6 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return significant(v / s.divisor)
}

// Figure writes v in the unit with three significant digits: "9.41 Gbit/s".
func Figure(unit string, v float64) string {
	if !finite(v) {
		return missing
	}
	s := scaleFor(unit, v)
	if s.suffix == "" {
		return s.number(v)
	}
	return s.number(v) + " " + s.suffix
}

// Span writes low to high in the scale and with the decimals of the median beside which it stands: "9.12–9.60".
func Span(unit string, low, median, high float64) string {
	if !finite(low) || !finite(median) || !finite(high) {
		return missing
	}
	s := scaleFor(unit, median)
	digits := decimals(median / s.divisor)
	if s.divisor == 1 && low == math.Trunc(low) && high == math.Trunc(high) && median == math.Trunc(median) {
		digits = 0
	}
	return fixed(low/s.divisor, digits) + "–" + fixed(high/s.divisor, digits)
}

// Ratio writes a ratio: two decimals, more where it is small, fewer where it is large.
func Ratio(v float64) string {
	switch a := math.Abs(v); {
	case !finite(v):
		return missing
	case a >= 99.95:
		return fixed(v, 0)
	case a >= 9.995:
		return fixed(v, 1)
	case a >= 0.0995 || a == 0:
		return fixed(v, 2)
	}
	return fixed(v, 3)
}

// percent writes a share: 0.004 is "0.40 %".
func percent(share float64) string {
	switch p := share * 100; {
	case !finite(p):
		return missing
	case p == 0:
		return "0 %"
	case math.Abs(p) < 0.095:
		return fixed(p, 3) + " %"
	case math.Abs(p) < 9.95:
		return fixed(p, 2) + " %"
	default:
		return fixed(p, 1) + " %"
	}
}

// count writes how often something happened; the median of counts may be half of one.
func count(v float64) string {
	switch {
	case !finite(v):
		return missing
	case math.Abs(v) >= 99950:
		return significant(v/1000) + "k"
	case v == math.Trunc(v):
		return fixed(v, 0)
	}
	return fixed(v, 1)
}

// significant writes v with three significant digits.
func significant(v float64) string {
	if v == 0 {
		return "0"
	}
	return fixed(v, decimals(v))
}

// decimals is the number of digits behind the point that make three significant ones of v, at most 5.
func decimals(v float64) int {
	digits := 0
	for limit := 99.95; math.Abs(v) < limit && digits < 5 && v != 0; limit /= 10 {
		digits++
	}
	return digits
}

// fixed writes v with so many digits behind the point, but never a row of digits that nobody reads.
func fixed(v float64, digits int) string {
	switch a := math.Abs(v); {
	case !finite(v):
		return missing
	case a >= 1e9, a > 0 && a < 1e-5:
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
	return strconv.FormatFloat(v, 'f', digits, 64)
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
