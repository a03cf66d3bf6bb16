package render

import (
	"fmt"
	"strings"

	"github.com/weftnet/weft/bench/report"
)

// charts are those for which the report has figures, in the order in which the page shows them.
func (v *view) charts() []*chart {
	var drawn []*chart
	for _, c := range []*chart{v.tcpChart(), v.packetChart(), v.latencyChart(), v.cpuChart()} {
		if c != nil && !c.empty() {
			drawn = append(drawn, c)
		}
	}
	return drawn
}

// series is one panel that a chart may have: a metric and how it is called there.
type series struct{ metric, title string }

func (v *view) tcpChart() *chart {
	c := v.barChart([]series{{"tcp1", "1 stream"}, {"tcp4", "4 streams"}, {"tcp16", "16 streams"}, {"tcp-both", "both directions"}}, "vxlan")
	if c == nil {
		return nil
	}
	c.file, c.title = "tcp.svg", "TCP throughput"
	return c
}

func (v *view) packetChart() *chart {
	c := v.barChart([]series{{"udp64", "64 bytes of payload"}, {"udp512", "512 bytes"}, {"udp1350", "1350 bytes"}}, "")
	if c == nil {
		return nil
	}
	c.file, c.title = "packets.svg", "UDP packets per second"
	c.lines[0] = "The highest rate at which less than 1 % is lost. " + c.lines[0]
	return c
}

func (v *view) cpuChart() *chart {
	c := v.barChart([]series{{"cpu-machine", "the whole machine"}, {"cpu-router", "the routers alone"}}, "")
	if c == nil {
		return nil
	}
	c.file, c.title = "cpu.svg", "CPU time per gigabyte"
	c.lines[0] = "While TCP runs with 4 streams. " + c.lines[0]
	for i, name := range c.subjects {
		if machine := v.row(name, "cpu-machine"); machine != nil && machine.Stats != nil && v.row(name, "cpu-router") == nil {
			c.withoutRouter(i)
		}
	}
	return c
}

// withoutRouter says of the i-th subject that it forwards in the kernel: its transfer was measured, but there was no router to
// measure.
func (c *chart) withoutRouter(i int) {
	for _, p := range c.panels {
		if p.rows[i].instead == notMeasured {
			p.rows[i].instead = "has none"
		}
	}
}

// notMeasured stands in a panel for a subject that was not measured in this way.
const notMeasured = "not measured"

// barChart shows those of the wanted series that the report has: as ratio to the reference, or, when that is empty or was not
// measured, as they are. It is nil without any.
func (v *view) barChart(wanted []series, reference string) *chart {
	have := v.present(wanted)
	if len(have) == 0 {
		return nil
	}
	first, _ := v.metric(have[0].metric)
	scale := scaleFor(first.Unit, v.largest(have))
	if !v.comparable(have, reference) {
		reference = ""
	}
	c := &chart{columns: len(have), subjects: v.subjectsOf(have), tickText: func(x float64) string { return plainTick(x / scale.divisor) }}
	if reference != "" {
		c.marked, c.tickText = 1, func(x float64) string { return plainTick(x) }
	}
	for _, s := range have {
		c.panels = append(c.panels, panel{s.title, v.bars(s.metric, reference, c.subjects, scale)})
	}
	c.lines = []string{barText(reference, scale, first)}
	v.finish(c)
	c.spoken = func(_ string, r row) string { return spokenBar(r, reference, scale) }
	return c
}

// present keeps those series that the report has rows of.
func (v *view) present(wanted []series) []series {
	var have []series
	for _, s := range wanted {
		if _, ok := v.metric(s.metric); ok && v.measured(s.metric) {
			have = append(have, s)
		}
	}
	return have
}

// comparable says whether every figure of the series has a ratio to the reference.
func (v *view) comparable(of []series, reference string) bool {
	for _, s := range of {
		for _, subject := range v.ran {
			row := v.row(subject.Name, s.metric)
			if row == nil || row.Stats == nil {
				continue
			}
			if _, ok := ratioTo(row, reference); !ok {
				return false
			}
		}
	}
	return reference != ""
}

func (v *view) largest(of []series) float64 {
	largest := 0.0
	for _, s := range of {
		for _, subject := range v.ran {
			if row := v.row(subject.Name, s.metric); row != nil && row.Stats != nil && finite(row.Stats.Median) {
				largest = max(largest, row.Stats.Median)
			}
		}
	}
	return largest
}

// subjectsOf are those that have a row of at least one of the series.
func (v *view) subjectsOf(of []series) []string {
	var names []string
	for _, subject := range v.ran {
		for _, s := range of {
			if v.row(subject.Name, s.metric) != nil {
				names = append(names, subject.Name)
				break
			}
		}
	}
	return names
}

func (v *view) bars(metric, reference string, subjects []string, scale scale) []row {
	rows := make([]row, len(subjects))
	for i, subject := range subjects {
		r := v.row(subject, metric)
		switch {
		case r == nil:
			rows[i].instead = notMeasured
		case r.Stats == nil || !finite(r.Stats.Median) || !finite(r.Stats.Low) || !finite(r.Stats.High):
			rows[i].instead = "failed"
		default:
			drawn := *r.Stats
			if reference != "" {
				drawn, _ = ratioTo(r, reference)
			}
			rows[i] = row{points: []report.Stats{drawn}, figures: []string{scale.number(r.Stats.Median) + signs(r)}}
		}
	}
	return rows
}

// signs are the marks that concern a row alone, without numbers.
func signs(row *report.Row) string {
	signs := ""
	if row.Busy > 0 {
		signs += " " + markBusy
	}
	if failures(row) > 0 {
		signs += " " + markFailed
	}
	return signs
}

// finish names the rows, with a mark behind the subjects of which a check failed, and writes the footer.
func (v *view) finish(c *chart) {
	for _, name := range c.subjects {
		if v.broken[name] {
			name += " " + markBroken
		}
		c.names = append(c.names, clean(name))
	}
	c.footer = v.footer(c.marks())
}

// marks are the signs that the names and figures of the chart carry.
func (c *chart) marks() string {
	var all strings.Builder
	all.WriteString(strings.Join(c.names, ""))
	for _, p := range c.panels {
		for _, r := range p.rows {
			all.WriteString(strings.Join(r.figures, ""))
		}
	}
	return all.String()
}

// footer names the machine, and explains the signs among marks.
func (v *view) footer(marks string) string {
	text := fmt.Sprintf("%s, %s, %s, %s.", machine(v.Environment), conditions(v.Options), rounds(v.Options.Rounds), v.Started.UTC().Format("2006-01-02"))
	for _, m := range []struct{ sign, meaning string }{
		{markBusy, "other processes used the machine in some rounds"},
		{markFailed, "some rounds failed"},
		{markBroken, "a check failed"},
	} {
		if strings.Contains(marks, m.sign) {
			text += fmt.Sprintf(" %s %s.", m.sign, m.meaning)
		}
	}
	return text
}

func barText(reference string, scale scale, m report.Metric) string {
	text := "Bars and figures: " + scale.suffix
	if reference != "" {
		text = fmt.Sprintf("Bars: ratio to %s in the same round (dashed line). Figures: %s", reference, scale.suffix)
	}
	return text + "; medians" + better(m) + ". Whiskers: lowest to highest round."
}

func spokenBar(r row, reference string, s scale) string {
	if r.instead != "" {
		return r.instead
	}
	text := r.figures[0] + " " + s.suffix
	if reference != "" {
		text += fmt.Sprintf(", %s times %s", Ratio(r.points[0].Median), reference)
	}
	return text
}

// plainTick writes a round number without needless zeros.
func plainTick(v float64) string { return fmt.Sprintf("%.3g", v) }
