package render

import (
	"math"
	"testing"
)

func TestFiguresHaveThreeSignificantDigitsAndAUnitThatFits(t *testing.T) {
	for _, c := range []struct {
		unit  string
		value float64
		want  string
	}{
		{"bit/s", 9.412e9, "9.41 Gbit/s"},
		{"bit/s", 999.6e6, "1.00 Gbit/s"},
		{"bit/s", 280e6, "280 Mbit/s"},
		{"bit/s", 12, "12 bit/s"},
		{"bit/s", 0, "0 bit/s"},
		{"packets/s", 78123, "78.1 k/s"},
		{"packets/s", 1.2e6, "1.20 M/s"},
		{"1/s", 431, "431 /s"},
		{"s", 17.2e-6, "17.2 µs"},
		{"s", 0.6284, "628 ms"},
		{"s", 3, "3 s"},
		{"s", 4.2e-10, "0.420 ns"},
		{"s/GB", 1.2345, "1.23 s/GB"},
		{"s/GB", 0.0567, "0.0567 s/GB"},
		{"bytes", 27.31e6, "27.3 MB"},
		{"bytes", 1450, "1450 B"},
		{"bytes", 9000, "9000 B"},
		{"furlongs", 2.5, "2.50 furlongs"},
		{"", 2.5, "2.50"},
		{"bit/s", math.NaN(), missing},
		{"s", math.Inf(1), missing},
		{"s/GB", 1e300, "1e+300 s/GB"},
	} {
		if got := Figure(c.unit, c.value); got != c.want {
			t.Errorf("Figure(%q, %v) = %q, want %q", c.unit, c.value, got, c.want)
		}
	}
}

func TestASpreadIsInTheUnitAndWithTheDecimalsOfItsMedian(t *testing.T) {
	for _, c := range []struct {
		unit              string
		low, median, high float64
		want              string
	}{
		{"bit/s", 9.121e9, 9.412e9, 10.6e9, "9.12–10.60"},
		{"s", 900e-6, 1.02e-3, 14e-3, "0.90–14.00"},
		{"bytes", 1450, 1450, 1450, "1450–1450"},
		{"s", math.NaN(), 1, 2, missing},
	} {
		if got := Span(c.unit, c.low, c.median, c.high); got != c.want {
			t.Errorf("Span(%q, %v, %v, %v) = %q, want %q", c.unit, c.low, c.median, c.high, got, c.want)
		}
	}
}

func TestSmallRatiosKeepDigitsThatTellThemApart(t *testing.T) {
	for value, want := range map[float64]string{1: "1.00", 0.434: "0.43", 0.0284: "0.028", 12.04: "12.0", 0: "0.00", 123.4: "123", 9.996: "10.0", math.Inf(1): missing} {
		if got := Ratio(value); got != want {
			t.Errorf("Ratio(%v) = %q, want %q", value, got, want)
		}
	}
}

func TestSharesAreWrittenAsPercent(t *testing.T) {
	for value, want := range map[float64]string{0: "0 %", 0.004: "0.40 %", 0.0004: "0.040 %", 0.25: "25.0 %", math.NaN(): missing} {
		if got := percent(value); got != want {
			t.Errorf("percent(%v) = %q, want %q", value, got, want)
		}
	}
}
