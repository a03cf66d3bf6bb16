package main

import (
	"fmt"
	"strconv"
	"strings"
)

// rateUnits are the endings of a rate.
var rateUnits = map[string]float64{"k": 1e3, "M": 1e6, "G": 1e9}

// parseRate reads the flag's value, a rate in bit/s such as 100M or 2.5G from least to most; empty is 0.
func parseRate(flag, text string, least, most float64) (uint64, error) {
	if text == "" {
		return 0, nil
	}
	number, unit := text, 1.0
	for ending, factor := range rateUnits {
		if before, found := strings.CutSuffix(text, ending); found {
			number, unit = before, factor
		}
	}
	value, err := strconv.ParseFloat(number, 64)
	if rate := value * unit; err == nil && rate >= least && rate <= most {
		return uint64(rate), nil
	}
	return 0, usageError{fmt.Errorf("--%s %q: want bits per second such as 100M or 2.5G, from %s to %s", flag, text, rateText(least), rateText(most))}
}

func rateText(rate float64) string {
	for _, ending := range []string{"G", "M", "k"} {
		if unit := rateUnits[ending]; rate >= unit {
			return strconv.FormatFloat(rate/unit, 'g', -1, 64) + ending
		}
	}
	return strconv.FormatFloat(rate, 'g', -1, 64)
}
