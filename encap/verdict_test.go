package encap

import (
	"net/netip"
	"strings"
	"testing"
	"unicode/utf8"
)

// Whoever accepts a stream may say anything: it ends in log and status of who dialed.
func TestWordsOfARefusalAreCutAndSuchAsMayBeShown(t *testing.T) {
	long := "\x1b[2J\u202e\xff" + strings.Repeat("x", maxRecord)
	addr := netip.MustParseAddrPort("192.0.2.1:9338")
	for _, v := range []verdict{
		{Field: long, Ours: "on", Theirs: "off"}, {Field: "cipher", Ours: long, Theirs: "off"}, {Field: "cipher", Ours: "on", Theirs: long},
		{Field: RefusedCertificate, Ours: required, Theirs: long},
	} {
		text := v.refusal(addr, "vm-1").Error()
		if len(text) > 2*maxClause || strings.ContainsAny(text, "\x1b\u202e") || !utf8.ValidString(text) {
			t.Errorf("%d bytes: %.100q", len(text), text)
		}
	}
	got := verdict{Field: "encryption", Ours: "on", Theirs: "off"}.refusal(addr, "vm-1").Why()
	if want := "encryption differs: ours is off, theirs is on"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
