package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"unicode"
)

func TestHostileArgumentsGetOneShortLineThatATerminalShows(t *testing.T) {
	for _, word := range []string{
		"\x1b[31mred\n\tx", strings.Repeat("x", 5000), strings.Repeat("ü", 5000), "\u202egnp.exe", "\xff\xfe", "\x7f", "a\rb", strings.Repeat("\x00", 400),
	} {
		for _, args := range [][]string{
			{word}, {"peers", word}, {"peers", "--" + word}, {"peers", "--json=" + word}, {"map", word}, {"trace", word}, {"trace", word, word},
			{"trace", "a", "b", word}, {"peers", "forget"}, {"peers", "forget", "vm-2", word}, {"map", "--socket", "/nowhere/" + word[:min(len(word), 60)]},
		} {
			var said bytes.Buffer
			code := run(t.Context(), args, io.Discard, &said)
			text := strings.TrimSuffix(said.String(), "\n")
			if code == 0 || len(text) == 0 || len(text) > 1500 || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("weft %.60q: exit code %d, %d bytes: %.300q", args, code, len(text), text)
			}
		}
	}
}

func TestWhatAPersonWroteIsShownAsItIs(t *testing.T) {
	for _, word := range []string{"vm-2", "ünï", "/etc/weft/weft.yaml:", "'日本'", strings.Repeat("x", longestWord)} {
		if got := plainText([]string{word, word}); got != word+" "+word {
			t.Errorf("%q became %q", word, got)
		}
	}
}
