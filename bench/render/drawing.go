package render

import (
	"fmt"

	"github.com/weftnet/weft/bench/report"
)

// drawing places the parts of a chart from top to bottom.
type drawing struct {
	svg
	*chart
	height      float64 // of what is drawn so far
	nameWidth   float64 // room for the names of subjects
	plot        float64 // width of the part of a panel in which bars or dots are
	figureRooms []float64
	axis        axis
}

func newDrawing(c *chart) *drawing {
	d := &drawing{chart: c}
	for _, name := range c.names {
		d.nameWidth = max(d.nameWidth, min(nameRoom, textWidth(name, sizeBody, false)))
	}
	d.figureRooms = c.figureRooms()
	panel := (chartWidth-2*chartMargin-d.nameWidth-nameGap+panelGap)/float64(c.columns) - panelGap
	d.plot = panel
	for _, room := range d.figureRooms {
		d.plot -= room + d.gap()
	}
	low, high := c.bounds()
	if c.dots {
		d.axis = logAxis(low, high, d.plot, c.tickText)
	} else {
		d.axis = linearAxis(high, d.plot, c.tickText)
	}
	return d
}

// figureRooms are the widths of the columns of figures.
func (c *chart) figureRooms() []float64 {
	var rooms []float64
	widen := func(i int, text string) {
		for len(rooms) <= i {
			rooms = append(rooms, 0)
		}
		rooms[i] = max(rooms[i], textWidth(text, sizeSmall, false))
	}
	for i, head := range c.heads {
		widen(i, head)
	}
	for _, p := range c.panels {
		for _, r := range p.rows {
			for i, f := range r.figures {
				widen(i, f)
			}
		}
	}
	return rooms
}

// gap is the room in front of a column of figures.
func (d *drawing) gap() float64 {
	if d.dots {
		return columnGap
	}
	return figureGap
}

func (d *drawing) head() {
	d.text("h", atStart, chartMargin, 36, shorten(d.title, chartWidth-2*chartMargin, sizeTitle, true))
	d.height = 42
	for _, line := range d.lines {
		for _, part := range fold(line, chartWidth-2*chartMargin, sizeBody) {
			d.height += lineHeight
			d.text("m", atStart, chartMargin, d.height, part)
		}
	}
	if d.dots {
		d.legend()
	}
	d.height += 10
}

// legend explains the shapes of the dots.
func (d *drawing) legend() {
	d.height += lineHeight + 7
	x, middle := chartMargin+5, d.height-4
	for i, name := range dotNames {
		d.dot("sx", i, x, middle)
		d.text("l m", atStart, x+10, d.height, name)
		x += 10 + textWidth(name, sizeSmall, false) + 22
	}
	d.faint("sx", x-4, middle-spreadHeights[1]/2, 28, spreadHeights[1])
	d.text("l m", atStart, x+31, d.height, "lowest to highest round")
}

func (d *drawing) band(panels []panel) {
	top := d.height + 22
	for i, name := range d.chart.names {
		d.text("", atEnd, chartMargin+d.nameWidth, top+16+float64(i)*rowHeight, shorten(name, d.nameWidth+0.1, sizeBody, false))
	}
	left := chartMargin + d.nameWidth + nameGap
	for _, p := range panels {
		d.panel(p, left, top)
		left += d.panelWidth() + panelGap
	}
	d.height = top + float64(len(d.subjects))*rowHeight + 26
}

func (d *drawing) panelWidth() float64 {
	w := d.plot
	for _, room := range d.figureRooms {
		w += room + d.gap()
	}
	return w
}

func (d *drawing) panel(p panel, left, top float64) {
	d.text("p", atStart, left, top-4, shorten(p.title, d.titleRoom(), sizeBody, true))
	bottom := top + float64(len(d.subjects))*rowHeight + 3
	d.ticks(left, top+3, bottom)
	right := left + d.plot
	for i, head := range d.heads {
		right += d.gap() + d.figureRooms[i]
		d.text("l m", atEnd, right, top-4, head)
	}
	for i, r := range p.rows {
		middle := top + 12 + float64(i)*rowHeight
		if r.instead != "" {
			d.text("l m i", atStart, left+5, middle+4, r.instead)
		} else if d.dots {
			d.dotRow(seriesClass(d.subjects[i]), r, left, middle)
		} else {
			d.bar(seriesClass(d.subjects[i]), r, left, middle)
		}
	}
	d.line("axis", left, top+3, left, bottom, 1)
}

// titleRoom is the width that a panel's title may take: all of it, or what the heads of figures leave.
func (d *drawing) titleRoom() float64 {
	if len(d.heads) > 0 {
		return d.plot
	}
	return d.panelWidth()
}

// ticks draws the lines behind the rows, and the axis' texts under them.
func (d *drawing) ticks(left, top, bottom float64) {
	for _, t := range d.axis.ticks {
		x := left + d.axis.share(t.value)*d.plot
		if x > left+0.5 {
			d.line("grid", x, top, x, bottom, 1)
		}
		d.text("l m", atMiddle, x, bottom+14, t.text)
	}
	if d.marked > 0 {
		x := left + d.axis.share(d.marked)*d.plot
		d.dashed("axis", x, top, x, bottom, 1)
	}
}

func (d *drawing) bar(class string, r row, left, middle float64) {
	s := r.points[0]
	end := left + d.axis.share(s.Median)*d.plot
	d.rect(class, left, middle-barHeight/2, max(1, end-left), barHeight, 0)
	if s.High > s.Low {
		end = max(end, d.whisker(s, left, middle))
	}
	d.text("f n", atStart, end+figureGap, middle+4, r.figures[0])
}

// whisker draws the spread over a bar, with a rim that sets it off from the bar, and returns its right end.
func (d *drawing) whisker(s report.Stats, left, middle float64) float64 {
	low, high := left+d.axis.share(s.Low)*d.plot, left+d.axis.share(s.High)*d.plot
	const half = 3.5
	path := fmt.Sprintf("M%s %sH%sM%s %sV%sM%s %sV%s", px(low), px(middle), px(high),
		px(low), px(middle-half), px(middle+half), px(high), px(middle-half), px(middle+half))
	fmt.Fprintf(&d.body, "<path class=\"halo\" d=\"%s\" stroke-width=\"2.8\" stroke-linecap=\"square\" fill=\"none\"/>\n", path)
	fmt.Fprintf(&d.body, "<path class=\"w\" d=\"%s\" stroke-width=\"1.2\" fill=\"none\"/>\n", path)
	return high
}

func (d *drawing) foot() {
	for _, part := range fold(d.footer, chartWidth-2*chartMargin, sizeSmall) {
		d.height += 15
		d.text("l m", atStart, chartMargin, d.height, part)
	}
	d.height += 18
}
