package render

import "github.com/weftnet/weft/bench/report"

// workColumns are the details that explain how routers in user space worked, with the head of their column. They have a table
// of their own and are not noted beside figures.
var workColumns = []series{
	{"segments_per_superpacket_out", "segments per superpacket, read"},
	{"segments_per_superpacket_in", "segments per superpacket, written"},
	{"frames_per_call_out", "frames per send"},
	{"frames_per_call_in", "frames per receive"},
	{"spins", "looks in vain"},
	{"waits", "waits"},
}

// ofWork reports whether a detail explains how routers worked.
func ofWork(detail string) bool {
	for _, c := range workColumns {
		if c.metric == detail {
			return true
		}
	}
	return false
}

// work is a table of how the routers worked during each measure, one line for each subject whose routers tell.
func (p *page) work() {
	t := &mdTable{heads: []string{"measure", "subject"}, left: []bool{true, true}}
	for _, c := range workColumns {
		t.column(c.title, false)
	}
	done := map[string]bool{}
	for _, m := range p.Metrics {
		if done[m.Measure] { // its other metrics are of the same minutes
			continue
		}
		for _, s := range p.ran {
			if row := p.row(s.Name, m.ID); row != nil && told(row) {
				t.row(append([]string{code(m.Measure), code(s.Name)}, workTexts(row)...)...)
				done[m.Measure] = true
			}
		}
	}
	p.details("How the routers worked", t.lines())
}

// told reports whether anything is known of how the routers worked.
func told(row *report.Row) bool {
	for _, c := range workColumns {
		if row.Detail[c.metric].Count > 0 {
			return true
		}
	}
	return false
}

// workTexts are the medians of the work columns.
func workTexts(row *report.Row) []string {
	var texts []string
	for _, c := range workColumns {
		text := ""
		if s := row.Detail[c.metric]; s.Count > 0 {
			text = Figure(anyUnit, s.Median)
		}
		texts = append(texts, text)
	}
	return texts
}
