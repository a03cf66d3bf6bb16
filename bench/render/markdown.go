package render

import (
	"fmt"
	"strings"

	"github.com/weftnet/weft/bench/report"
)

// page is the Markdown of one report.
type page struct {
	*view
	strings.Builder
}

// Markdown is the README.md of the report's folder, with links to the charts of Files beside it and to ../method.md.
func Markdown(r *report.Report) []byte {
	p := &page{view: newView(r)}
	p.intro()
	p.howToRead()
	p.charts()
	p.glance()
	p.tables()
	p.work()
	p.checks()
	p.unavailable()
	p.failed()
	p.environment()
	p.reproduce()
	return []byte(p.String())
}

func (p *page) printf(format string, args ...any) { fmt.Fprintf(p, format, args...) }

func (p *page) heading(text string) { p.printf("\n## %s\n\n", text) }

func (p *page) intro() {
	p.printf("# Bench: %s run of %s\n\n", plain(p.Options.Preset), p.Started.UTC().Format("2 January 2006"))
	p.printf("Written by `weft bench`; do not edit. The figures with all rounds are in [report.json](report.json).\n\n")
	if !p.Complete {
		p.printf("> **%s**\n\n", plain(unfinished(p.Report)))
	}
	p.printf("What was run: %s between two virtual hosts of one machine, one after the other in each of %s; %s of measuring from %s on; %s. The machine: %s.\n",
		subjectCount(len(p.ran)), rounds(p.Options.Rounds), length(p.Seconds), moment(p.Started), plain(conditions(p.Options)), plain(machine(p.Environment)))
	if failed := p.failedChecks(); failed != "" {
		p.printf("\n> **Checks failed: %s.** The figures of these subjects do not count.\n", plain(failed))
	}
}

func subjectCount(n int) string {
	if n == 1 {
		return "1 subject"
	}
	return fmt.Sprintf("%d subjects", n)
}

func (p *page) howToRead() {
	p.heading("How to read this")
	p.printf("Both hosts, the senders and the receivers share the cores of one machine, so absolute figures say little about another one. " +
		"Compare the ratios: each is taken within one round, in which all subjects were measured one after the other, and the median of " +
		"those ratios is shown. Beside each median stand the lowest and the highest round; two subjects whose ranges overlap are not to " +
		"be told apart by this run. [How it is measured, and what it cannot say](../method.md).\n")
}

func (p *page) charts() {
	charts := p.view.charts()
	if len(charts) == 0 {
		return
	}
	p.heading("Charts")
	for i, c := range charts {
		if i > 0 {
			p.printf("\n")
		}
		p.printf("![%s: %s](%s)\n", plain(c.title), plain(c.lines[0]), c.file)
	}
}

// glances are the metrics of the first table.
var glances = []series{
	{"tcp1", "TCP, 1 stream"}, {"tcp4", "TCP, 4 streams"}, {"udp1350", "UDP, 1350 B"}, {"rr-tcp-p50", "TCP round trip, p50"},
	{"cpu-machine", "CPU per GB"}, {"rss-peak", "Router's memory"}, {"mtu", "MTU"},
}

func (p *page) glance() {
	have := p.present(glances)
	if len(have) < 2 {
		return
	}
	p.heading("At a glance")
	if len(p.references) > 0 {
		p.printf("Medians; in brackets the ratio to %s.\n\n", p.references[0])
	} else {
		p.printf("Medians.\n\n")
	}
	t := &mdTable{}
	t.column("subject", true)
	for _, s := range have {
		t.column(s.title, false)
	}
	for _, subject := range p.ran {
		t.row(append([]string{code(subject.Name)}, p.glanceRow(subject.Name, have)...)...)
	}
	p.lines(t.lines())
}

func (p *page) glanceRow(subject string, have []series) []string {
	var texts []string
	for _, s := range have {
		row := p.row(subject, s.metric)
		m, _ := p.metric(s.metric)
		if row == nil {
			texts = append(texts, "")
			continue
		}
		c := p.cells(row, m.Unit)
		text := strings.TrimSpace(c.median + " " + c.marks)
		if len(c.ratios) > 0 && c.ratios[0] != "" && m.Better != report.Neither && m.Unit != "bytes" {
			text += " (" + c.ratios[0] + ")"
		}
		texts = append(texts, plain(text))
	}
	return texts
}

func (p *page) tables() {
	p.heading("All figures")
	for _, text := range append([]string{
		"÷: median of the ratios taken within each round.",
		"retransmits, drops: TCP segments sent again; packets that any device or socket of the subject dropped.",
	}, p.explainMarks()...) {
		p.printf("- %s\n", plain(text))
	}
	for _, g := range groupsOf(p.Metrics) {
		p.printf("\n### %s\n", g.title)
		for _, m := range g.metrics {
			if p.measured(m.ID) {
				p.table(m)
			}
		}
	}
}

func (p *page) table(m report.Metric) {
	p.printf("\n**%s**%s\n\n", plain(m.Title), plain(better(m)))
	t := &mdTable{heads: []string{"subject", "median", "", "lowest–highest"}, left: []bool{true, false, true, false}}
	for _, reference := range p.references {
		t.column("÷ "+plain(reference), false)
	}
	t.column("retransmits", false)
	t.column("drops", false)
	t.column("beside it", true)
	for _, s := range p.ran {
		if row := p.row(s.Name, m.ID); row != nil {
			c := p.cells(row, m.Unit)
			texts := append([]string{code(s.Name), c.median, c.marks, c.spread}, c.ratios...)
			t.row(append(texts, c.retrans, c.drops, plain(c.notes))...)
		}
	}
	p.lines(t.lines())
}

func (p *page) lines(lines []string) { p.printf("%s\n", strings.Join(lines, "\n")) }

func (p *page) checks() {
	p.heading("Checks")
	for _, line := range p.checkLines() {
		p.printf("- %s\n", plain(line))
	}
}

func (p *page) unavailable() {
	if len(p.cannot) == 0 {
		return
	}
	p.heading("Not measured")
	for _, s := range p.cannot {
		p.printf("- %s: %s\n", code(s.Name), plain(s.Unavailable))
	}
}

func (p *page) failed() {
	list := p.failures()
	if len(list) == 0 {
		return
	}
	p.heading("Failed steps")
	for _, f := range list {
		p.printf("- %s %s, %s: %s\n", code(f.subject), code(f.measure), f.when(p.Options.Rounds), plain(f.reason))
	}
}

func (p *page) reproduce() {
	p.heading("Do it again")
	p.printf("As root, on a machine that does nothing else:\n\n```sh\n%s\n```\n\n", command(p.Options))
	p.printf("With `--compare report.json` it says what changed, and whether that is beyond the noise.\n")
}
