package bench

import (
	"fmt"
	"io"
	"time"
)

// progress tells a person how far the run is. It is used by one goroutine.
type progress struct {
	to       io.Writer
	terminal bool // one line, written again in place
	open     bool // the line in place is not ended
	visit    [2]any
	width    int // of the subjects' names
}

// note says something that stays.
func (p *progress) note(format string, args ...any) {
	p.clear()
	fmt.Fprintf(p.to, format+"\n", args...)
}

// passing says something that the next line may replace; nothing when there is no terminal.
func (p *progress) passing(format string, args ...any) {
	if p.terminal {
		fmt.Fprintf(p.to, "\r"+format+"\x1b[K", args...)
		p.open = true
	}
}

// step says what is measured now, the number-th of all: in place, or once per visit.
func (p *progress) step(s step, number, all, rounds int, left time.Duration) {
	digits := len(fmt.Sprint(all))
	where := fmt.Sprintf("[%*d/%d] round %d/%d  %-*s", digits, number, all, s.round, rounds, p.width, s.subject)
	if p.terminal {
		p.passing("%s  %-12s %s left", where, s.name(), span(left))
		return
	}
	if visit := [2]any{s.round, s.subject}; visit != p.visit {
		p.visit = visit
		fmt.Fprintf(p.to, "%s  %s left\n", where, span(left))
	}
}

// clear takes the line in place away.
func (p *progress) clear() {
	if p.open {
		fmt.Fprint(p.to, "\r\x1b[K")
		p.open = false
	}
}

// span is a duration for a person: seconds below two minutes, then minutes.
func span(d time.Duration) string {
	if d < 2*time.Minute {
		return fmt.Sprintf("%.0f s", d.Seconds())
	}
	return fmt.Sprintf("%.1f min", d.Minutes())
}
