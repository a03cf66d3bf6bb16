package render

import (
	"strings"
	"testing"

	"github.com/weftnet/weft/bench/report"
)

func TestHowTheRoutersWorkedIsATableOfItsOwn(t *testing.T) {
	r := sample()
	for i := range r.Rows {
		row := &r.Rows[i]
		if row.Subject != "weft-batch-clear" || row.Metric != "tcp1" && !strings.HasPrefix(row.Metric, "rr-tcp-p") {
			continue
		}
		for j := range row.Rounds {
			row.Rounds[j].Detail = map[string]float64{"segments_per_superpacket_out": 41.5, "frames_per_call_in": 38.25, "waits": 12300}
		}
	}
	report.Fill(r, report.References())
	text := string(Markdown(r))
	_, table, found := strings.Cut(text, "<summary>How the routers worked</summary>")
	table, _, _ = strings.Cut(table, "</details>")
	if !found {
		t.Fatal("there is no table")
	}
	for _, want := range []string{
		"| measure | subject | segments per superpacket, read | frames per receive | waits |",
		"| `tcp1` | `weft-batch-clear` | 41.5 | 38.2 | 12.3 k |", "| `rr-tcp` | `weft-batch-clear` | 41.5 | 38.2 | 12.3 k |",
	} {
		if !strings.Contains(table, want) {
			t.Errorf("no line %q in%s", want, table)
		}
	}
	if n := strings.Count(table, "\n|"); n != 4 {
		t.Errorf("%d lines, want head, rule and one for each measure", n)
	}
	if strings.Contains(text, "segments per superpacket out") {
		t.Error("the details are noted beside the figures too")
	}
}

func TestReportsWithoutRoutersThatTellHaveNoTableOfTheirWork(t *testing.T) {
	if strings.Contains(string(Markdown(sample())), "How the routers worked") {
		t.Error("there is a table without anything to tell")
	}
}
