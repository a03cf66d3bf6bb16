package main

import (
	"os"
	"strings"
	"testing"
	"time"
)

func TestWhatAFrameCostsIsTheDifferenceBetweenTheWindows(t *testing.T) {
	p := pair{
		quiet:   window{goodput: 1e9, cpu: 300 * time.Millisecond, length: time.Second},
		flooded: window{goodput: 9e8, cpu: 800 * time.Millisecond, length: 2 * time.Second, sent: 100_000},
	}
	if got := p.perFrame(); got != 2*time.Microsecond {
		t.Errorf("%v for a frame", got)
	}
	if got := p.kept(); got != 0.9 {
		t.Errorf("%v kept", got)
	}
	p.quiet.goodput = 0
	if got := p.kept(); got != 1 {
		t.Errorf("%v kept of nothing", got)
	}
}

func TestTheSummaryHasTheMedians(t *testing.T) {
	quiet := window{goodput: 1e9, length: time.Second}
	var pairs []pair
	for _, part := range []float64{1, 0.5, 0.8} {
		pairs = append(pairs, pair{quiet, window{goodput: part * 1e9, length: time.Second, cpu: time.Second / 10, sent: 50_000}})
	}
	if got := summary(50_000, pairs); !strings.Contains(got, "rate=50000 kept=0.800 per-frame=2.00us (medians of 3") {
		t.Error(got)
	}
}

func TestArgumentsThatCannotBeAreRefusedInOneLine(t *testing.T) {
	for _, bad := range [][]string{{"--rates", "30000,x"}, {"--rates", "1"}, {"--mbit", "-1"}, {"--rounds", "0"}, {"--window", "1500ms"}} {
		if _, err := parse(bad); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v: %v", bad, err)
		}
	}
	o, err := parse(nil)
	if err != nil || o.mbit != 1000 || len(o.rates) != 2 || o.rounds != 3 || o.window != 3*time.Second {
		t.Errorf("%+v, %v", o, err)
	}
}

func TestProcessorTimeGrowsWithWork(t *testing.T) {
	before, err := processorTime(os.Getpid())
	if err != nil {
		t.Skip(err)
	}
	for end := time.Now().Add(time.Second); ; {
		after, err := processorTime(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		if after > before {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("still %v", after)
		}
	}
	if _, err := processorTime(1 << 30); err == nil {
		t.Error("a process that does not exist has a time")
	}
}
