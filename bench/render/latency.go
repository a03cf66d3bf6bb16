package render

import (
	"fmt"
	"strings"

	"github.com/weftnet/weft/bench/report"
)

// latencyPanels are the measures of round trips; their metrics end in -p50, -p99 and -p999.
var latencyPanels = []series{
	{"rr-tcp", "TCP, idle"}, {"rr-tcp-load", "TCP, under load"},
	{"rr-udp", "UDP, idle"}, {"rr-udp-load", "UDP, under load"},
}

var latencySuffixes = []string{"-p50", "-p99", "-p999"}

// latencyChart is nil when no round trips were measured.
func (v *view) latencyChart() *chart {
	var have, metrics []series
	for _, p := range latencyPanels {
		of := v.present(percentiles(p.metric))
		if len(of) > 0 {
			have = append(have, p)
			metrics = append(metrics, of...)
		}
	}
	if len(have) == 0 {
		return nil
	}
	c := &chart{file: "latency.svg", title: "Round-trip latency", dots: true, columns: min(2, len(have)), heads: dotNames[:2]}
	c.subjects = v.subjectsOf(metrics)
	for _, p := range have {
		c.panels = append(c.panels, panel{p.title, v.dotRows(p.metric, c.subjects)})
	}
	c.lines = []string{"One request at a time, from pod to pod and back. Logarithmic axis; medians of the rounds, lower is better."}
	c.tickText = tickSeconds
	v.finish(c)
	c.spoken = func(_ string, r row) string { return spokenDots(r) }
	return c
}

func percentiles(measure string) []series {
	var of []series
	for _, suffix := range latencySuffixes {
		of = append(of, series{metric: measure + suffix})
	}
	return of
}

func (v *view) dotRows(measure string, subjects []string) []row {
	rows := make([]row, len(subjects))
	for i, subject := range subjects {
		rows[i] = v.dotRow(measure, subject)
	}
	return rows
}

func (v *view) dotRow(measure, subject string) row {
	r := row{points: make([]report.Stats, len(latencySuffixes)), figures: make([]string, 2), instead: notMeasured}
	for i, suffix := range latencySuffixes {
		of := v.row(subject, measure+suffix)
		switch {
		case of == nil:
		case of.Stats == nil || !drawable(*of.Stats):
			r.instead = "failed"
		default:
			r.points[i] = *of.Stats
			if i < len(r.figures) {
				r.figures[i] = Figure("s", of.Stats.Median) + signs(of)
			}
		}
	}
	for _, s := range r.points {
		if s.Count > 0 {
			r.instead = ""
			return r
		}
	}
	return row{instead: r.instead}
}

// drawable says whether the figures have a place on a logarithmic axis.
func drawable(s report.Stats) bool {
	return s.Count > 0 && s.Low > 0 && finite(s.Low) && finite(s.High) && s.Low <= s.Median && s.Median <= s.High
}

func tickSeconds(v float64) string {
	s := scaleFor("s", v)
	return plainTick(v/s.divisor) + " " + s.suffix
}

func spokenDots(r row) string {
	if r.instead != "" {
		return r.instead
	}
	var texts []string
	for i, s := range r.points {
		if s.Count > 0 {
			texts = append(texts, fmt.Sprintf("%s %s", dotNames[i], Figure("s", s.Median)))
		}
	}
	return strings.Join(texts, ", ")
}
