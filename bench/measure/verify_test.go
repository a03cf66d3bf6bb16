package measure

import (
	"strings"
	"testing"

	"github.com/weftnet/weft/bench/load"
	"github.com/weftnet/weft/lab"
)

func TestIntactPathPassesTheCheckOfThePayload(t *testing.T) {
	target, _ := testTarget(t, lab.Options{})
	w := begin(t, target)
	findings, err := Verify(soon(t), target)
	if err != nil || len(findings) != 1 || findings[0] != (Finding{Check: CheckPayload, OK: true}) {
		t.Fatalf("%+v, %v", findings, err)
	}
	for _, f := range Findings(observe(t, w)) {
		if !f.OK {
			t.Errorf("%+v", f)
		}
	}
}

func TestPathThatTakesNoLargePacketsFailsTheCheckOfThePayload(t *testing.T) {
	target, _ := testTarget(t, lab.Options{})
	for _, n := range target.Spaces[:2] {
		if _, err := n.Run(soon(t), "ip", "link", "set", "eth0", "mtu", "1400"); err != nil {
			t.Fatal(err)
		}
	}
	findings, err := Verify(soon(t), target)
	if err != nil || len(findings) != 1 || findings[0].OK || !strings.Contains(findings[0].Detail, "never came back") {
		t.Fatalf("%+v, %v", findings, err)
	}
}

func TestPayloadThatIsNotIntactIsDescribedInOneLine(t *testing.T) {
	many := load.IntegrityResult{Differences: []string{"1", "2", "3", "4", "5", "6"}, Missing: []int{99, 100}}
	for _, c := range []struct {
		result load.IntegrityResult
		trains load.Trial
		want   string
	}{
		{many, load.Trial{}, "1; 2; 3; 4; 2 more differences; datagrams of 2 sizes never came back, one of 99 bytes"},
		{load.IntegrityResult{OK: true}, load.Trial{Damaged: 3}, "3 datagrams of trains arrived damaged"},
		{load.IntegrityResult{}, load.Trial{}, "the transfer was not intact"},
	} {
		if f := payloadFinding(c.result, c.trains); f.OK || f.Detail != c.want || f.Check != CheckPayload {
			t.Errorf("%+v, want %s", f, c.want)
		}
	}
}
