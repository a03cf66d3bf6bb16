package render

import (
	"fmt"
	"strconv"
	"strings"
)

// svg writes the elements of one picture. All lengths are pixels from the upper left corner.
type svg struct {
	body  strings.Builder
	texts []placed // what was written where, for the tests
}

// placed is the room that a text takes.
type placed struct {
	text                     string
	left, top, right, bottom float64
}

// Where a text stands in relation to its x.
const (
	atStart  = "start"
	atMiddle = "middle"
	atEnd    = "end"
)

// The elements take a class, which gives them their colour; see stylesheet.

func (s *svg) rect(class string, x, y, w, h, round float64) {
	fmt.Fprintf(&s.body, `<rect class="%s" x="%s" y="%s" width="%s" height="%s"`, class, px(x), px(y), px(w), px(h))
	if round > 0 {
		fmt.Fprintf(&s.body, ` rx="%s"`, px(round))
	}
	s.body.WriteString(" stroke=\"none\"/>\n")
}

func (s *svg) line(class string, x1, y1, x2, y2, width float64) {
	fmt.Fprintf(&s.body, "<path class=\"%s\" d=\"M%s %sL%s %s\" stroke-width=\"%s\" fill=\"none\"/>\n", class, px(x1), px(y1), px(x2), px(y2), px(width))
}

func (s *svg) dashed(class string, x1, y1, x2, y2, width float64) {
	fmt.Fprintf(&s.body, "<path class=\"%s\" d=\"M%s %sL%s %s\" stroke-width=\"%s\" stroke-dasharray=\"3 3\" fill=\"none\"/>\n", class, px(x1), px(y1), px(x2), px(y2), px(width))
}

// shape draws path data with its stroke; hollow ones are filled with the background.
func (s *svg) shape(class, d string, hollow bool) {
	if hollow {
		fmt.Fprintf(&s.body, "<g class=\"%s\"><path class=\"hollow\" d=\"%s\" stroke-width=\"1.8\"/></g>\n", class, d)
		return
	}
	fmt.Fprintf(&s.body, "<path class=\"%s\" d=\"%s\" stroke=\"none\"/>\n", class, d)
}

// faint draws a rectangle that lets through what is behind it.
func (s *svg) faint(class string, x, y, w, h float64) {
	fmt.Fprintf(&s.body, "<rect class=\"%s\" x=\"%s\" y=\"%s\" width=\"%s\" height=\"%s\" opacity=\"0.32\" stroke=\"none\"/>\n",
		class, px(x), px(y), px(w), px(h))
}

// text writes one line with its baseline at y. Size and weight follow from the classes: h (title), p (bold), f and l (small);
// f and i have a rim that sets them off from lines behind them.
func (s *svg) text(class, anchor string, x, y float64, text string) {
	fmt.Fprintf(&s.body, `<text class="%s" x="%s" y="%s"`, class, px(x), px(y))
	if anchor != atStart {
		fmt.Fprintf(&s.body, ` text-anchor="%s"`, anchor)
	}
	fmt.Fprintf(&s.body, ">%s</text>\n", escape(text))
	s.place(class, anchor, x, y, text)
}

func (s *svg) place(class, anchor string, x, y float64, text string) {
	size, bold := fontOf(class)
	w := textWidth(text, size, bold)
	switch anchor {
	case atMiddle:
		x -= w / 2
	case atEnd:
		x -= w
	}
	s.texts = append(s.texts, placed{text, x, y - 0.75*size, x + w, y + 0.22*size})
}

// fontOf is what the stylesheet gives a text of these classes.
func fontOf(class string) (size float64, bold bool) {
	for _, c := range strings.Fields(class) {
		switch c {
		case "h":
			return sizeTitle, true
		case "p":
			return sizeBody, true
		case "f", "l":
			return sizeSmall, false
		}
	}
	return sizeBody, false
}

// finish is the whole file. title and desc are what a screen reader says.
func (s *svg) finish(width, height float64, title, desc string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%s\" height=\"%s\" viewBox=\"0 0 %s %s\" role=\"img\" aria-labelledby=\"t d\">\n",
		px(width), px(height), px(width), px(height))
	fmt.Fprintf(&b, "<title id=\"t\">%s</title>\n<desc id=\"d\">%s</desc>\n<style>\n%s</style>\n", escape(title), escape(desc), stylesheet())
	fmt.Fprintf(&b, "<rect class=\"bg\" width=\"%s\" height=\"%s\" rx=\"6\"/>\n%s</svg>\n", px(width), px(height), s.body.String())
	return []byte(b.String())
}

var xmlEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#39;")

// escape makes text fit for XML 1.0, which some characters are not even when they are escaped; clean removes those.
func escape(text string) string { return xmlEscapes.Replace(strings.ToValidUTF8(clean(text), "?")) }

// px writes a length with at most one decimal.
func px(v float64) string {
	text := strconv.FormatFloat(v, 'f', 1, 64)
	return strings.TrimSuffix(text, ".0")
}
