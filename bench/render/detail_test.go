package render

import (
	"testing"

	"github.com/weftnet/weft/bench/report"
)

func TestWhatStandsBesideAFigureIsSaidInWordsAndInOneOrder(t *testing.T) {
	is := func(v float64) report.Stats { return report.NewStats([]float64{v}) }
	for want, detail := range map[string]map[string]report.Stats{
		"":                              {"retransmits": is(3), "drops": is(0)},
		"loss 0.40 %, offered 98.1 k/s": {"offered": is(98100), "loss": is(0.004), "drops": is(5)},
		"backward 4.20 G, of load 12, tiny 3.00 m": {"tiny": is(0.003), "of_load": is(12), "backward": is(4.2e9)},
		"the stream broke":                         {"survived": report.NewStats([]float64{1, 0, 1})},
		"the stream survived":                      {"survived": is(1)},
	} {
		if got := notes(detail); got != want {
			t.Errorf("notes(%v) = %q, want %q", detail, got, want)
		}
	}
}

func TestACountThatWasNotTakenIsNotShownAsNone(t *testing.T) {
	if got := countOf(map[string]report.Stats{"drops": {}}, "drops"); got != "" {
		t.Errorf("a count that was not taken is shown as %q", got)
	}
	if got := countOf(map[string]report.Stats{"drops": report.NewStats([]float64{0})}, "drops"); got != "0" {
		t.Errorf("no drops are shown as %q", got)
	}
}
