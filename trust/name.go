package trust

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxName is the longest name of a node in bytes: that of a DNS name (RFC 1035).
const MaxName = 253

// CheckName refuses a node's name that could not be shown in one cell of a table.
func CheckName(name string) error {
	if name == "" || len(name) > MaxName || !utf8.ValidString(name) {
		return fmt.Errorf("node name of %d bytes (1 to %d, UTF-8)", len(name), MaxName)
	}
	if strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsGraphic(r) || unicode.IsSpace(r) }) {
		return fmt.Errorf("node name %q has spaces or control characters", name)
	}
	return nil
}
