package render

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// column is one column of a grid.
type column struct {
	left bool // its texts begin at its left edge; else they end at its right edge
	near bool // stands one blank behind the column before it, not two
	drop int  // columns with a higher number are left out first where there is no room; 0: never
	name string
}

// gridLine is either texts, one for each column, or one text that runs over all columns.
type gridLine struct {
	texts  []string
	across string
}

// grid is a table of texts in which all lines share the widths of the columns.
type grid struct {
	columns []column
	lines   []gridLine
}

const gridHang = 2 // blanks in front of the later lines of a text that runs over all columns

// gap is the number of blanks in front of the column.
func (c column) gap() int {
	if c.near {
		return 1
	}
	return 2
}

func (g *grid) row(texts ...string) { g.lines = append(g.lines, gridLine{texts: texts}) }

func (g *grid) across(text string) { g.lines = append(g.lines, gridLine{across: text}) }

// write writes the grid without the columns for which width (in characters, 0: unlimited) has no room, and returns the names
// of those that it left out.
func (g *grid) write(w io.Writer, width int) (dropped []string, err error) {
	widths := g.widths()
	for width > 0 && g.total(widths) > width {
		i := g.expendable(widths)
		if i < 0 {
			break
		}
		widths[i] = 0
		dropped = append(dropped, g.columns[i].name)
	}
	for _, line := range g.lines {
		text := g.format(line, widths)
		if line.texts == nil {
			text = strings.Join(wrap(line.across, width, gridHang), "\n")
		}
		if _, err := fmt.Fprintln(w, text); err != nil {
			return nil, err
		}
	}
	return dropped, nil
}

func (g *grid) widths() []int {
	widths := make([]int, len(g.columns))
	for _, line := range g.lines {
		for i, text := range line.texts {
			widths[i] = max(widths[i], utf8.RuneCountInString(text))
		}
	}
	return widths
}

// expendable is the index of the column to leave out next, -1 when all that are left must stay.
func (g *grid) expendable(widths []int) int {
	best := -1
	for i, c := range g.columns {
		if widths[i] > 0 && c.drop > 0 && (best < 0 || c.drop > g.columns[best].drop) {
			best = i
		}
	}
	return best
}

func (g *grid) format(line gridLine, widths []int) string {
	var b strings.Builder
	for i, text := range line.texts {
		if widths[i] == 0 {
			continue
		}
		if i > 0 {
			b.WriteString(strings.Repeat(" ", g.columns[i].gap()))
		}
		pad := strings.Repeat(" ", max(0, widths[i]-utf8.RuneCountInString(text)))
		if g.columns[i].left {
			b.WriteString(text + pad)
		} else {
			b.WriteString(pad + text)
		}
	}
	return strings.TrimRight(b.String(), " ")
}

// total is the width of a line of columns that wide; a column of width 0 is left out.
func (g *grid) total(widths []int) int {
	sum := 0
	for i, w := range widths {
		if w > 0 && i > 0 {
			w += g.columns[i].gap()
		}
		sum += w
	}
	return sum
}

// wrap breaks text at blanks into lines of at most width characters (0: unlimited); the second and later ones are indented
// by hang. A word that is longer than a line stays whole.
func wrap(text string, width, hang int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case width > 0 && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width:
			lines = append(lines, line)
			line = strings.Repeat(" ", hang) + word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}
