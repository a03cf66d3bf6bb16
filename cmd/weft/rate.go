package main

import (
	"fmt"
	"strconv"
	"strings"
)

// rateUnits are the endings of a rate.
var rateUnits = map[string]uint64{"k": 1e3, "M": 1e6, "G": 1e9}

// parseRate reads the flag's value, a rate in bit/s such as 100M or 2.5G; empty is 0.
func parseRate(flag, text string) (uint64, error) {
	if text == "" {
		return 0, nil
	}
	number, unit := text, uint64(1)
	for ending, factor := range rateUnits {
		if before, found := strings.CutSuffix(text, ending); found {
			number, unit = before, factor
		}
	}
	value, err := strconv.ParseFloat(number, 64)
	if rate := value * float64(unit); err == nil && rate >= 1 && rate <= 1e15 {
		return uint64(rate), nil
	}
	return 0, usageError{fmt.Errorf("--%s %q: want bits per second such as 100M or 2.5G", flag, text)}
}
