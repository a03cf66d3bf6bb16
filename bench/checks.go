package bench

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weftnet/weft/bench/measure"
	"github.com/weftnet/weft/bench/report"
)

// mostDetails is how many times a failed check says what was seen; the rest is counted.
const mostDetails = 3

// looks are the findings of one round.
type looks []look

// look is one finding and the step that gave it.
type look struct {
	subject, step string
	measure.Finding
}

func (r *runner) look(s step, findings []measure.Finding) {
	for _, f := range findings {
		r.looks = append(r.looks, look{s.subject, s.name(), f})
	}
}

// count adds a round to the checks. A check holds when every look at it did.
func (l looks) count(checks []report.Check, round int) []report.Check {
	seen := map[[2]string]bool{}
	for _, one := range l {
		c := find(&checks, one.subject, one.Check)
		if key := [2]string{one.subject, one.Check}; !seen[key] {
			seen[key] = true
			c.Rounds++
		}
		if !one.OK {
			c.OK = false
			c.Detail = lengthen(c.Detail, fmt.Sprintf("round %d, %s: %s", round, one.step, seenOr(one.Detail)))
		}
	}
	return checks
}

func seenOr(detail string) string {
	if detail == "" {
		return "it did not hold"
	}
	return detail
}

// lengthen adds a detail to those that are there, up to mostDetails.
func lengthen(details, more string) string {
	if details == "" {
		return more
	}
	if n := strings.Count(details, "; round "); n >= mostDetails-1 {
		return strings.TrimSuffix(details, "; ...") + "; ..."
	}
	return details + "; " + more
}

// find returns the check of a subject, which it adds when it is not there.
func find(checks *[]report.Check, subject, name string) *report.Check {
	i := slices.IndexFunc(*checks, func(c report.Check) bool { return c.Subject == subject && c.Name == name })
	if i < 0 {
		i = len(*checks)
		*checks = append(*checks, report.Check{Subject: subject, Name: name, OK: true})
	}
	return &(*checks)[i]
}

// ChecksError is the error of a run that is complete and written, but not to be relied on in all of its rows.
type ChecksError struct {
	Failed []report.Check
	Empty  []report.Row // rows without a figure
}

// Error names the first of each kind, and how many there are.
func (e *ChecksError) Error() string {
	var parts []string
	if n := len(e.Failed); n > 0 {
		c := e.Failed[0]
		parts = append(parts, fmt.Sprintf("%s (%s of %s: %s)", counted(n, "check failed", "checks failed"), c.Name, c.Subject, c.Detail))
	}
	if n := len(e.Empty); n > 0 {
		row := e.Empty[0]
		parts = append(parts, fmt.Sprintf("%s (%s of %s: %s)",
			counted(n, "row has no figure", "rows have no figure"), row.Metric, row.Subject, firstError(row)))
	}
	return "bench: " + strings.Join(parts, "; ")
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func firstError(row report.Row) string {
	for _, s := range row.Rounds {
		if s.Error != "" {
			return s.Error
		}
	}
	return "it was not measured"
}

// verdict is nil when all checks of a report hold and all its rows have figures, a *ChecksError otherwise.
func verdict(r *report.Report) error {
	e := &ChecksError{}
	for _, c := range r.Checks {
		if !c.OK {
			e.Failed = append(e.Failed, c)
		}
	}
	for _, row := range r.Rows {
		if row.Stats == nil {
			e.Empty = append(e.Empty, row)
		}
	}
	if len(e.Failed)+len(e.Empty) == 0 {
		return nil
	}
	return e
}
