package render

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/weftnet/weft/bench/report"
)

// clean makes one printable line of a text that a program, the kernel or a file said.
func clean(text string) string {
	visible := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, text)
	return strings.Join(strings.Fields(visible), " ")
}

// better says which values are better, to stand behind a title.
func better(m report.Metric) string {
	if m.Better == report.Neither {
		return ""
	}
	return ", " + clean(m.Better) + " is better"
}

func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

func rounds(n int) string {
	if n == 1 {
		return "1 round"
	}
	return fmt.Sprintf("%d rounds", n)
}

// length writes seconds as minutes and seconds: "9 min 48 s".
func length(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second)).Round(time.Second)
	if d < time.Minute {
		return fmt.Sprintf("%d s", d/time.Second)
	}
	return fmt.Sprintf("%d min %d s", d/time.Minute, d%time.Minute/time.Second)
}

// conditions says what the bed was like: "MTU 1500, cables of 1 Gbit/s".
func conditions(o report.Options) string {
	text := fmt.Sprintf("underlay MTU %d", o.MTU)
	if o.OverlayMTU > 0 {
		text += fmt.Sprintf(", overlay MTU %d", o.OverlayMTU)
	}
	if o.Rate > 0 {
		text += ", cables of " + Figure("bit/s", float64(o.Rate))
	}
	return text
}

// machine names what the figures depend on most, in one line.
func machine(e report.Environment) string {
	parts := []string{clean(version(e)), clean("Linux " + e.Kernel), clean(e.CPU), cores(e.Cores)}
	if e.Virtual != "" {
		parts = append(parts, "virtual ("+clean(e.Virtual)+")")
	}
	return strings.Join(parts, ", ")
}

func version(e report.Environment) string {
	if e.Commit == "" || e.Commit == e.Weft {
		return "weft " + e.Weft
	}
	return fmt.Sprintf("weft %s (%s)", e.Weft, shortCommit(e.Commit))
}

// shortCommit keeps 12 digits of a commit and what stands behind it (-dirty).
func shortCommit(commit string) string {
	hash, rest, dirty := strings.Cut(commit, "-")
	if len(hash) > 12 {
		hash = hash[:12]
	}
	if dirty {
		return hash + "-" + rest
	}
	return hash
}

func cores(n int) string {
	if n == 1 {
		return "1 core"
	}
	return fmt.Sprintf("%d cores", n)
}

// unfinished says how far a run came that did not end.
func unfinished(r *report.Report) string {
	return fmt.Sprintf("This run is not complete: %d steps were done; medians are over the rounds that there are.", len(r.Schedule))
}
