package render

import (
	"maps"
	"slices"
	"strings"

	"github.com/weftnet/weft/bench/report"
)

// Details that have columns of their own.
const (
	detailRetransmits = "retransmits"
	detailDrops       = "drops"
)

// detailTexts say in words what stands beside a figure. Details that are not named here are shown with their
// key and without unit.
var detailTexts = map[string]func(report.Stats) string{
	"loss":    func(s report.Stats) string { return "loss " + percent(s.Median) },
	"offered": func(s report.Stats) string { return "offered " + figure("packets/s", s.Median) },
	"survived": func(s report.Stats) string {
		if s.Low < 1 {
			return "the stream broke"
		}
		return "the stream survived"
	},
}

// notes says what stands beside a figure in words, without what has a column of its own.
func notes(detail map[string]report.Stats) string {
	var texts []string
	for _, key := range slices.Sorted(maps.Keys(detail)) {
		if key == detailRetransmits || key == detailDrops || detail[key].Count == 0 {
			continue
		}
		texts = append(texts, note(key, detail[key]))
	}
	return strings.Join(texts, ", ")
}

func note(key string, s report.Stats) string {
	if text, ok := detailTexts[key]; ok {
		return text(s)
	}
	return strings.ReplaceAll(key, "_", " ") + " " + figure(anyUnit, s.Median)
}

// countOf is the median of a counted detail, empty when it was not counted.
func countOf(detail map[string]report.Stats, key string) string {
	s, ok := detail[key]
	if !ok || s.Count == 0 {
		return ""
	}
	return count(s.Median)
}
