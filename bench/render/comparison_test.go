package render

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/bench/report"
)

func comparisonText(t *testing.T, c *report.Comparison) string {
	t.Helper()
	var b bytes.Buffer
	if err := Comparison(&b, c); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func sampleComparison() *report.Comparison {
	stats := func(v float64) report.Stats {
		return report.Stats{Count: 5, Median: v, Low: v * 0.97, High: v * 1.03, MAD: v * 0.01}
	}
	return &report.Comparison{
		Old:         report.Run{Started: time.Date(2026, 11, 20, 9, 12, 0, 0, time.UTC), Weft: "0.3.0", Commit: "0123456789abcdef", Preset: "full", Complete: true},
		New:         report.Run{Started: time.Date(2026, 12, 3, 17, 2, 0, 0, time.UTC), Weft: "0.4.0", Commit: "fedcba9876543210-dirty", Preset: "standard"},
		Environment: []string{"kernel: 6.18.5, now 6.19.1", "preset (lengths of the measures): full, now standard"},
		Metrics:     []report.Metric{sampleMetrics[0], sampleMetrics[7], sampleMetrics[22]},
		Changes: []report.Change{
			{Subject: "vxlan", Metric: "tcp1", Basis: report.BasisValue, Old: stats(9.9e9), New: stats(9.7e9), Change: -0.0202, Noise: 0.034},
			{Subject: "weft-batch-clear", Metric: "tcp1", Basis: report.BasisRatio, Old: stats(0.44), New: stats(0.61), Change: 0.386, Noise: 0.041, Beyond: true, Effect: report.Better},
			{Subject: "weft-batch-sealed", Metric: "rr-tcp-p50", Basis: report.BasisRatio, Old: stats(4.99), New: stats(5.6), Change: 0.122, Noise: 0.06, Beyond: true, Effect: report.Worse},
			{Subject: "weft-plain-clear", Metric: "rr-tcp-p50", Basis: report.BasisRatio, Old: stats(5.0), New: stats(4.9), Change: -0.02, TooFew: true},
			{Subject: "weft-batch-sealed", Metric: "rss-peak", Basis: report.BasisValue, Old: stats(26.9e6), New: stats(27.1e6), Change: 0.0074, Noise: 0.03},
		},
		OnlyOld: []string{"wireguard-go tcp1"},
		OnlyNew: []string{"weft-super-clear tcp1"},
	}
}

func TestAComparisonLooksAsBefore(t *testing.T) {
	golden(t, "comparison.txt", []byte(comparisonText(t, sampleComparison())))
}

func TestAComparisonBeginsWithWhatCounts(t *testing.T) {
	text := comparisonText(t, sampleComparison())
	if !strings.Contains(text, "2 of 5 figures changed beyond the noise: 1 better, 1 worse; 1 have too few rounds to tell.") {
		t.Errorf("comparison:\n%s", text)
	}
}

func TestRunsWithNothingInCommonAreSaidToHaveNothing(t *testing.T) {
	if text := comparisonText(t, report.Compare(only(sample(), "vxlan"), only(sample(), "host-gw"))); !strings.Contains(text, "no figure in common") {
		t.Errorf("comparison:\n%s", text)
	}
}

func TestTheSameRunTwiceHasNoChange(t *testing.T) {
	if text := comparisonText(t, report.Compare(sample(), sample())); !strings.Contains(text, "\n0 of ") || strings.Contains(text, "WORSE") {
		t.Errorf("comparison:\n%s", text)
	}
}
