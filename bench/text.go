package bench

import (
	"strings"
	"unicode/utf8"
)

// mostText bounds what an error contributes to a report, in bytes.
const mostText = 600

// oneLine is an error for a report: its lines joined, and bounded.
func oneLine(err error) string {
	text := strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
	if len(text) <= mostText {
		return text
	}
	cut := mostText
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "..."
}
