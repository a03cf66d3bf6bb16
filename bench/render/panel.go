package render

import "github.com/weftnet/weft/bench/report"

// panel is one part of a chart.
type panel struct {
	title string
	rows  []row // one for each subject of the chart
}

// row is what a panel shows of one subject.
type row struct {
	points  []report.Stats // bars: one; dots: one for each of the dot shapes; a Count of 0 is not drawn
	figures []string       // beside it
	instead string         // shown in place of points, when there are none
}
