package render

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/weftnet/weft/bench/report"
)

func tableOfWidth(t *testing.T, r *report.Report, width int) string {
	t.Helper()
	var b bytes.Buffer
	if err := Table(&b, r, width); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestATableKeepsToTheWidthOfTheTerminal(t *testing.T) {
	for width := 60; width <= 160; width += 5 {
		for _, line := range strings.Split(tableOfWidth(t, sample(), width), "\n") {
			if n := utf8.RuneCountInString(line); n > width {
				t.Errorf("width %d: %d characters: %s", width, n, line)
			}
		}
	}
}

func TestWhatATableLeavesOutIsNamed(t *testing.T) {
	narrow, wide := tableOfWidth(t, sample(), 70), tableOfWidth(t, sample(), 0)
	if !strings.Contains(narrow, "Not shown for want of width: notes, drops, retransmits.") {
		t.Errorf("a narrow table does not name what is missing:\n%s", narrow)
	}
	if strings.Contains(wide, "Not shown") || !strings.Contains(wide, "the stream survived") {
		t.Error("an unlimited table leaves something out")
	}
}

func TestRetransmitsAndDropsStandBesideEachFigureOfATerminalWith80Columns(t *testing.T) {
	head := strings.Split(tableOfWidth(t, sample(), 80), "THROUGHPUT")[1]
	if line, _, _ := strings.Cut(head, "\n"); !strings.HasSuffix(line, "retr  drops") {
		t.Errorf("head: %s", line)
	}
}

func TestEveryMarkIsExplainedAndNoOther(t *testing.T) {
	disturbed, calm := tableOfWidth(t, sample(), 0), tableOfWidth(t, only(sample(), "host-gw", "underlay"), 0)
	for _, mark := range []string{markBusy, markFailed, markBroken} {
		if !strings.Contains(disturbed, "\n"+mark) {
			t.Errorf("%s is not explained", mark)
		}
		if strings.Contains(calm, mark) {
			t.Errorf("%s is explained, but nothing carries it", mark)
		}
	}
}

func TestSubjectsThatCannotRunAreListedWithTheReason(t *testing.T) {
	text := tableOfWidth(t, sample(), 0)
	if !strings.Contains(text, "wireguard: the kernel has no link type wireguard") {
		t.Errorf("no reason for wireguard:\n%s", text)
	}
}

func TestAnUnfinishedRunSaysSo(t *testing.T) {
	r := quick()
	r.Complete = false
	r.Schedule = make([]report.Step, 7)
	if text := tableOfWidth(t, r, 0); !strings.Contains(text, "not complete: 7 steps") {
		t.Errorf("the table of an unfinished run:\n%s", text)
	}
	if text := string(Markdown(r)); !strings.Contains(text, "**This run is not complete: 7 steps") {
		t.Error("the page of an unfinished run does not say so")
	}
}

func TestTerminalsGetNoControlCharactersFromAReport(t *testing.T) {
	r := sample()
	r.Environment.CPU = "evil\x1b[2J\x07\rCPU"
	r.Options.Preset = "full\x1b]0;title\x07"
	r.Subjects[len(r.Subjects)-1].Unavailable = "line\none\x9b31m"
	r.Rows[3].Rounds[0].Error = "error\x1b[31m"
	if text := tableOfWidth(t, r, 0); strings.ContainsAny(text, "\x1b\x07\r\u009b") {
		t.Errorf("control characters came through: %q", text)
	}
}

func TestATableOfAnEmptyReportIsWritten(t *testing.T) {
	if text := tableOfWidth(t, &report.Report{}, 80); !strings.Contains(text, "CHECKS\nNone was made.") {
		t.Errorf("table: %s", text)
	}
}

// full is a file on a full disk.
type full struct{}

var errFull = errors.New("no space left on device")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestErrorsOfTheWriterAreReturned(t *testing.T) {
	if err := Table(full{}, sample(), 80); !errors.Is(err, errFull) {
		t.Errorf("Table: %v", err)
	}
	if err := Comparison(full{}, &report.Comparison{}); !errors.Is(err, errFull) {
		t.Errorf("Comparison: %v", err)
	}
}
