package render

import "fmt"

// The dots of a row, in the order of row.points: the later one, the rarer.
var dotNames = []string{"p50", "p99", "p99.9"}

// spreadHeights are those of the spreads of the dots, so that spreads that overlap are told apart.
var spreadHeights = []float64{12, 8, 4}

// dotRow draws the percentiles of one subject: a thin line from the first to the last, behind each dot its spread.
func (d *drawing) dotRow(class string, r row, left, middle float64) {
	at := func(v float64) float64 { return left + d.axis.share(v)*d.plot }
	first, last := -1.0, -1.0
	for i, s := range r.points {
		if s.Count == 0 {
			continue
		}
		d.faint(class, at(s.Low), middle-spreadHeights[i]/2, at(s.High)-at(s.Low), spreadHeights[i])
		if first < 0 {
			first = at(s.Median)
		}
		last = at(s.Median)
	}
	d.line(class, first, middle, last, middle, 1.2)
	for i := len(r.points) - 1; i >= 0; i-- {
		if s := r.points[i]; s.Count > 0 {
			d.dot(class, i, at(s.Median), middle)
		}
	}
	right := left + d.plot
	for i, text := range r.figures {
		right += d.gap() + d.figureRooms[i]
		d.text("f n", atEnd, right, middle+4, text)
	}
}

// dot draws the shape of the i-th percentile: a full circle, a ring, a hollow diamond.
func (d *drawing) dot(class string, i int, x, y float64) {
	switch i {
	case 0:
		d.shape(class, circle(x, y, 4.2), false)
	case 1:
		d.shape(class, circle(x, y, 3.6), true)
	default:
		d.shape(class, fmt.Sprintf("M%s %sL%s %sL%s %sL%s %sZ", px(x-4.4), px(y), px(x), px(y-4.4), px(x+4.4), px(y), px(x), px(y+4.4)), true)
	}
}

func circle(x, y, r float64) string {
	return fmt.Sprintf("M%s %sa%s %s 0 1 0 %s 0a%s %s 0 1 0 %s 0Z", px(x-r), px(y), px(r), px(r), px(2*r), px(r), px(r), px(-2*r))
}
