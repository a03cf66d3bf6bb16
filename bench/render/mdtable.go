package render

import (
	"strings"
)

// mdTable is a table in Markdown. Its cells are Markdown already. Columns in which no line has a text are left out.
type mdTable struct {
	heads []string
	left  []bool // else the column's texts end at its right edge
	rows  [][]string
}

// column adds a column.
func (t *mdTable) column(head string, left bool) {
	t.heads, t.left = append(t.heads, head), append(t.left, left)
}

// row adds a line with a text for each column.
func (t *mdTable) row(texts ...string) { t.rows = append(t.rows, texts) }

// lines are the lines of the table; none when it has no rows.
func (t *mdTable) lines() []string {
	if len(t.rows) == 0 {
		return nil
	}
	var rule []string
	for _, left := range t.left {
		if left {
			rule = append(rule, "---")
		} else {
			rule = append(rule, "--:")
		}
	}
	var lines []string
	for _, texts := range append([][]string{t.heads, rule}, t.rows...) {
		lines = append(lines, t.line(texts))
	}
	return lines
}

func (t *mdTable) line(texts []string) string {
	var kept []string
	for i, text := range texts {
		if t.used(i) {
			kept = append(kept, text)
		}
	}
	return "| " + strings.Join(kept, " | ") + " |"
}

// used says whether any line has a text in column i.
func (t *mdTable) used(i int) bool {
	for _, texts := range t.rows {
		if texts[i] != "" {
			return true
		}
	}
	return false
}
