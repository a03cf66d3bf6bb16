package between

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/weftnet/weft/bench/report"
)

// scale is how figures are written: divided, and with a suffix.
type scale struct {
	divisor float64
	suffix  string
}

// scales are those of each unit, the largest first.
var scales = map[string][]scale{
	"bit/s":     {{1e9, "Gbit/s"}, {1e6, "Mbit/s"}, {1e3, "kbit/s"}, {1, "bit/s"}},
	"packets/s": {{1e3, "k/s"}, {1, "/s"}},
	"s":         {{1, "s"}, {1e-3, "ms"}, {1e-6, "µs"}},
	"bytes":     {{1, "bytes"}},
}

// scaleOf is the largest scale in which v is 1 or more.
func scaleOf(unit string, v float64) scale {
	list := scales[unit]
	if len(list) == 0 {
		return scale{1, unit}
	}
	for _, s := range list {
		if math.Abs(v) >= s.divisor {
			return s
		}
	}
	return list[len(list)-1]
}

// figure writes v with three digits that count and its unit: "9.41 Gbit/s".
func figure(unit string, v float64) string {
	s := scaleOf(unit, v)
	return strconv.FormatFloat(v/s.divisor, 'f', digits(v/s.divisor), 64) + " " + s.suffix
}

// span writes the lowest and highest figure in the scale and with the digits of the median: "9.12–9.60".
func span(unit string, s report.Stats) string {
	by := scaleOf(unit, s.Median)
	n := digits(s.Median / by.divisor)
	return strconv.FormatFloat(s.Low/by.divisor, 'f', n, 64) + "–" + strconv.FormatFloat(s.High/by.divisor, 'f', n, 64)
}

// digits behind the point that make three of v; a whole number of four digits has none.
func digits(v float64) int {
	switch a := math.Abs(v); {
	case a >= 100, a == 0:
		return 0
	case a >= 10:
		return 1
	}
	return 2
}

// pad fills text up to a width in characters.
func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(text)))
}
