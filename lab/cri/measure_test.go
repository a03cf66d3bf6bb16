package cri

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// measureVariable asks for what takes minutes and says how fast something is:
//
//	WEFT_CRI_MEASURE=1 go test ./lab/cri -run Measure -v -timeout 30m
//
// on a machine that does nothing else.
const measureVariable = "WEFT_CRI_MEASURE"

// measureWithin bounds a step of it.
const measureWithin = 5 * time.Minute

// measuring skips where nobody asked for figures, and says what the machine does besides.
func measuring(t *testing.T) {
	t.Helper()
	if os.Getenv(measureVariable) == "" {
		t.Skipf("%s is not set: it takes minutes", measureVariable)
	}
	logLoad(t)
	t.Cleanup(func() { logLoad(t) })
}

func logLoad(t *testing.T) {
	raw, err := os.ReadFile("/proc/loadavg")
	check(t, err)
	t.Logf("load of the machine: %s", strings.TrimSpace(string(raw)))
}

// quantiles are for people: the median and the 99th percentile.
func quantiles(all []time.Duration) string {
	if len(all) == 0 {
		return "nothing was measured"
	}
	slices.Sort(all)
	round := func(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }
	return fmt.Sprintf("p50 %v, p99 %v (%d)", round(all[len(all)/2]), round(all[len(all)*99/100]), len(all))
}
