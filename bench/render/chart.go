package render

import (
	"fmt"
	"strings"
)

// Measures of a chart, in pixels.
const (
	chartWidth  = 920.0
	chartMargin = 24.0
	nameRoom    = 210.0 // at most, for the names of subjects
	nameGap     = 12.0
	panelGap    = 28.0
	rowHeight   = 22.0
	barHeight   = 12.0
	figureGap   = 7.0
	columnGap   = 13.0 // between columns of figures
	lineHeight  = 17.0
)

// chart is one picture: panels side by side, in bands of so many columns; in each of them a row for every subject.
type chart struct {
	file     string // "tcp.svg"
	title    string
	lines    []string // under the title: what is drawn and how to read it
	footer   string
	subjects []string
	names    []string // of the subjects, as they are shown
	panels   []panel
	columns  int
	dots     bool                               // rows are dots on a logarithmic axis; else bars from 0
	heads    []string                           // above the figures of the rows; empty with bars
	marked   float64                            // the value at which a dashed line stands; 0: none
	tickText func(float64) string               // of the axis
	spoken   func(subject string, p row) string // for screen readers: one row in words
}

// bounds are the lowest and the highest value that the chart draws, spread included.
func (c *chart) bounds() (low, high float64) {
	first := true
	for _, p := range c.panels {
		for _, r := range p.rows {
			for _, s := range r.points {
				if s.Count == 0 {
					continue
				}
				if first {
					low, high, first = s.Low, s.High, false
				}
				low, high = min(low, s.Low), max(high, s.High)
			}
		}
	}
	return low, max(high, c.marked)
}

// empty says that no subject has anything to show.
func (c *chart) empty() bool {
	for _, p := range c.panels {
		for _, r := range p.rows {
			if len(r.points) > 0 {
				return false
			}
		}
	}
	return true
}

// description says in words what the chart shows, for those who do not see it.
func (c *chart) description() string {
	var b strings.Builder
	b.WriteString(strings.Join(c.lines, " "))
	for _, p := range c.panels {
		fmt.Fprintf(&b, " %s:", p.title)
		for i, r := range p.rows {
			fmt.Fprintf(&b, " %s %s;", c.subjects[i], c.spoken(c.subjects[i], r))
		}
	}
	return strings.TrimSuffix(b.String(), ";") + "."
}

// draw makes the file.
func (c *chart) draw() []byte {
	d := c.drawn()
	return d.finish(chartWidth, d.height, c.title, c.description())
}

func (c *chart) drawn() *drawing {
	d := newDrawing(c)
	d.head()
	for from := 0; from < len(c.panels); from += c.columns {
		d.band(c.panels[from:min(len(c.panels), from+c.columns)])
	}
	d.foot()
	return d
}
