package main

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Of a word longer than longestWord characters, shownOfWord are shown: paths and tokens fit, and what somebody pasted by mistake fills no
// terminal.
const (
	longestWord = 300
	shownOfWord = 100
)

// plainText joins words to one text, for a terminal: what a terminal would obey instead of showing it is escaped as in Go, and words that are
// too long are cut.
func plainText(words []string) string {
	plain := make([]string, len(words))
	for i, word := range words {
		plain[i] = plainWord(word)
	}
	return strings.Join(plain, " ")
}

func plainWord(word string) string {
	if n := utf8.RuneCountInString(word); n > longestWord {
		word = fmt.Sprintf("%s...(%d characters)", string([]rune(word)[:shownOfWord]), n)
	}
	var b strings.Builder
	for _, r := range word {
		if unicode.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
	}
	return b.String()
}
