package sim

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/mesh"
	"github.com/weftnet/weft/trust"
)

// relayedPair is a World in which the first two nodes reach each other through one of the rest.
func relayedPair(t *testing.T) *World {
	t.Helper()
	w := New(Config{Seed: 1, Nodes: 5, Lines: 40})
	startAll(w, time.Second)
	mustConverge(t, w, 10*time.Second)
	w.Cut(0, 1, true)
	w.NewFlow(0, 1, 50*time.Millisecond)
	w.Run(10 * time.Second)
	if via, _ := w.Node(0).PathTo(w.Node(1)); len(via) != 1 || w.Violation() != "" {
		t.Fatalf("the path is through %v; %s", via, w.Violation())
	}
	return w
}

func TestAFrameThatCirclesIsFound(t *testing.T) {
	w := relayedPair(t)
	w.faults.misroute = func(_ *Node, next trust.Number) trust.Number { return w.Node(0).number } // back to where it came from
	w.Run(time.Second)
	if !strings.Contains(w.Violation(), "visits n0 twice") {
		t.Errorf("violation %q", w.Violation())
	}
	at := w.Now()
	if w.Run(time.Second); w.Now() != at {
		t.Error("the run goes on after a violation")
	}
}

func TestAPacketAtAnotherNodeThanItWasMeantForIsFound(t *testing.T) {
	w := relayedPair(t)
	p := packet{src: netip.MustParseAddr("10.1.0.1"), dst: netip.MustParseAddr("10.1.1.1"), meant: w.Node(2).self}
	w.checks.deliver(w.Node(1), p)
	if !strings.Contains(w.Violation(), "delivered to n1, its sender meant "+w.Node(2).self.Short()) {
		t.Errorf("violation %q", w.Violation())
	}
	w.checks.violation, p.meant = "", w.Node(3).self
	w.checks.deliver(w.Node(3), p)
	if !strings.Contains(w.Violation(), "n3, which has not claimed it") {
		t.Errorf("violation %q", w.Violation())
	}
}

func TestTwoOwnersOfOnePrefixAreFound(t *testing.T) {
	w := relayedPair(t)
	a, b := w.Node(0).self, w.Node(1).self
	prefix := netip.MustParsePrefix
	for _, c := range []struct {
		a     mesh.Assignment
		found bool
	}{
		{mesh.Assignment{prefix("10.1.0.0/24"): a, prefix("10.1.1.0/24"): b}, false},
		{mesh.Assignment{prefix("10.1.0.0/16"): a, prefix("10.1.1.0/24"): a}, false},
		{mesh.Assignment{prefix("10.1.0.0/16"): a, prefix("10.1.1.0/24"): b}, true},
		{mesh.Assignment{prefix("10.1.0.0/16"): a, prefix("10.1.0.0/24"): a, prefix("10.1.7.0/24"): b}, true},
	} {
		w.checks.violation = ""
		w.checks.owners(w.Node(2), c.a)
		if found := w.Violation() != ""; found != c.found {
			t.Errorf("%v: violation %q, want one: %v", c.a, w.Violation(), c.found)
		}
	}
	w.checks.violation = ""
	if where, ok := w.Agreed(); !ok {
		t.Fatal(where)
	}
	w.Node(2).table.assignment[prefix("10.1.0.0/24")] = b
	if where, ok := w.Agreed(); ok || !strings.Contains(where, "10.1.0.0/24 is n") {
		t.Errorf("agreed: %v, %s", ok, where)
	}
}

func TestAReportShowsWhatWasSentAndHowToReplayIt(t *testing.T) {
	w := relayedPair(t)
	via, _ := w.Node(0).PathTo(w.Node(1))
	w.Cut(0, via[0].index, true)
	w.Run(300 * time.Millisecond)
	w.checks.violate("a thing that must not happen")
	report := w.Report("TestX: "+w.Violation(), replayCommand("TestX", 1))
	for _, want := range []string{
		"# TestX: a thing that must not happen\n", "\n    WEFT_SIM_SEED=1 go test -count=1 -run '^TestX$' ./sim\n",
		"```mermaid\nsequenceDiagram\n", " s data, ", "n0-x" + via[0].String() + ": ", "bytes, cut\n", "| n1 | knows 4, reaches ",
	} {
		if !strings.Contains(report, want) {
			t.Errorf("the report lacks %q:\n%s", want, report)
		}
	}
	if got := strings.Count(report, "bytes"); got != w.cfg.Lines {
		t.Errorf("%d lines of what was sent, want the last %d", got, w.cfg.Lines)
	}
}

func TestATestNameInACommandIsMatchedExactly(t *testing.T) {
	if got, want := replayCommand("TestA/b c", 3), "WEFT_SIM_SEED=3 go test -count=1 -run '^TestA$/^b_c$' ./sim"; !soaking() && got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
