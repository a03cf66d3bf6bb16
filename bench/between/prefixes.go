package between

import (
	"net/netip"
	"strings"
)

// prefixes writes a list for a sentence: "10.0.0.0/8, fd00::/8".
func prefixes(list []netip.Prefix) string {
	texts := make([]string, 0, len(list))
	for _, p := range list {
		texts = append(texts, p.String())
	}
	return strings.Join(texts, ", ")
}
