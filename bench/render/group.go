package render

import (
	"strings"

	"github.com/weftnet/weft/bench/report"
)

// group is a heading of the tables and the metrics under it.
type group struct {
	title   string
	metrics []report.Metric
}

// groupTitles are the headings in the order in which they are shown. The last takes what belongs nowhere else.
var groupTitles = []string{"Throughput", "Packet rate", "Latency", "CPU and memory", "Others"}

// groupsOf sorts metrics under the headings, and leaves out headings without metrics.
func groupsOf(metrics []report.Metric) []group {
	groups := make([]group, len(groupTitles))
	for i, title := range groupTitles {
		groups[i].title = title
	}
	for _, m := range metrics {
		g := &groups[groupOf(m)]
		g.metrics = append(g.metrics, m)
	}
	filled := groups[:0]
	for _, g := range groups {
		if len(g.metrics) > 0 {
			filled = append(filled, g)
		}
	}
	return filled
}

// groupOf is the index of the heading of m in groupTitles.
func groupOf(m report.Metric) int {
	switch {
	case m.Unit == "bit/s":
		return 0
	case m.Unit == "packets/s":
		return 1
	case strings.HasPrefix(m.ID, "rr-"):
		return 2
	case strings.HasPrefix(m.ID, "cpu-") || strings.HasPrefix(m.ID, "rss-"):
		return 3
	}
	return 4
}
