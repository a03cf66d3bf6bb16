package between

import (
	"fmt"
	"strings"
	"unicode"
)

// maxName and maxText bound, in bytes, the names and the sentences that one side tells the other.
const (
	maxName = 255
	maxText = 512
)

// hello is the client's first message.
type hello struct {
	Weft string `cbor:"1,keyasint"`           // version of weft
	Node string `cbor:"2,keyasint,omitempty"` // name of the node; empty: no daemon was asked
	Host string `cbor:"3,keyasint,omitempty"` // kernel and processors, for the report
}

func (h *hello) check() error { return checkTexts(maxName, h.Weft, h.Node, h.Host) }

// checkTexts bounds what the other side says; what is longer is no slip of the pen.
func checkTexts(limit int, texts ...string) error {
	for _, text := range texts {
		if len(text) > limit {
			return fmt.Errorf("%w: a text of %d bytes, at most %d", errFrame, len(text), limit)
		}
	}
	return nil
}

// printable is text of the other side, made fit for a line on a terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, text)
}

// clip shortens a text of our own to what the other side takes, between two runes.
func clip(text string, limit int) string {
	return strings.ToValidUTF8(text[:min(len(text), limit)], "")
}
