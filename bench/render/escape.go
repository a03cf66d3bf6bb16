package render

import "strings"

// plain is text that Markdown shows as it is, also in a cell of a table.
func plain(text string) string {
	var b strings.Builder
	for _, r := range clean(text) {
		switch r {
		case '<':
			b.WriteString("&lt;")
		case '>':
			b.WriteString("&gt;")
		case '&':
			b.WriteString("&amp;")
		case '\\', '`', '*', '_', '[', ']', '|', '~', '#':
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// code is text in the typewriter's face. Names that it cannot hold are shown plain.
func code(text string) string {
	if c := clean(text); !strings.ContainsAny(c, "`|\\") && c != "" {
		return "`" + c + "`"
	}
	return plain(text)
}
