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

// detailTexts say in words what stands beside a figure; nothing, where there is nothing to say. Details that are not named
// here are shown with their key and without unit.
var detailTexts = map[string]func(report.Stats) string{
	"loss":    func(s report.Stats) string { return "loss " + percent(s.Median) },
	"offered": func(s report.Stats) string { return "offered " + Figure("packets/s", s.Median) },
	"survived": func(s report.Stats) string {
		if s.Low < 1 {
			return "the stream broke"
		}
		return "the stream survived"
	},
	"sender-bound": func(report.Stats) string { return "" }, // markAtLeast says it
	"samples":      func(s report.Stats) string { return Figure(anyUnit, s.Median) + " samples" },
	"load":         func(s report.Stats) string { return "load " + Figure("bit/s", s.Median) },
	"up":           func(s report.Stats) string { return "there " + Figure("bit/s", s.Median) },
	"down":         func(s report.Stats) string { return "back " + Figure("bit/s", s.Median) },
	"rss":          func(s report.Stats) string { return "afterwards " + Figure("bytes", s.Median) },
	"largest":      func(s report.Stats) string { return "the larger router " + Figure("bytes", s.Median) },
	"receiver-drops": func(s report.Stats) string {
		return "the bench's own receiver dropped " + count(s.Median)
	},
	"lost":   func(s report.Stats) string { return when(s.High > 0, "lost up to "+count(s.High)) },
	"failed": func(s report.Stats) string { return when(s.High > 0, "failed up to "+count(s.High)) },
}

func when(holds bool, text string) string {
	if holds {
		return text
	}
	return ""
}

// notes says what stands beside a figure in words, without what has a column of its own.
func notes(detail map[string]report.Stats) string {
	var texts []string
	for _, key := range slices.Sorted(maps.Keys(detail)) {
		if key == detailRetransmits || key == detailDrops || ofWork(key) || detail[key].Count == 0 {
			continue
		}
		if text := note(key, detail[key]); text != "" {
			texts = append(texts, text)
		}
	}
	return strings.Join(texts, ", ")
}

func note(key string, s report.Stats) string {
	if text, ok := detailTexts[key]; ok {
		return text(s)
	}
	return strings.ReplaceAll(key, "_", " ") + " " + Figure(anyUnit, s.Median)
}

// countOf is the median of a counted detail, empty when it was not counted.
func countOf(detail map[string]report.Stats, key string) string {
	s, ok := detail[key]
	if !ok || s.Count == 0 {
		return ""
	}
	return count(s.Median)
}
