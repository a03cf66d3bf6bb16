package render

import "strings"

// Sizes of texts, in pixels.
const (
	sizeTitle = 17.0
	sizeBody  = 12.0
	sizeSmall = 11.0
)

// The advance widths of DejaVu Sans, in 1/1000 of the size, rounded up, in classes. It is wider than the fonts that browsers
// take for system-ui, so what fits with these widths fits everywhere.
const (
	widthNarrow = 360  // i j l and most punctuation
	widthSlim   = 440  // f r t
	widthSmall  = 640  // other small letters, digits
	widthLarge  = 800  // capitals
	widthBroad  = 1000 // m w M W, and what is not known
)

// textWidth is the width of a text of that size, in pixels, at most.
func textWidth(text string, size float64, bold bool) float64 {
	sum := 0
	for _, r := range text {
		sum += advance(r)
	}
	if bold {
		sum += sum / 8
	}
	return float64(sum) * size / 1000
}

func advance(r rune) int {
	switch {
	case strings.ContainsRune("ijlI|.,:;' ·", r):
		return widthNarrow
	case strings.ContainsRune("frt()[]-/!", r):
		return widthSlim
	case r >= '0' && r <= '9', strings.ContainsRune("abcdeghknopqsuvxyzµ–_\"", r):
		return widthSmall
	case r >= 'A' && r <= 'Z' && r != 'M' && r != 'W', r == '…':
		if r == '…' {
			return widthBroad
		}
		return widthLarge
	}
	return widthBroad
}

// shorten cuts text so that it is at most width pixels wide, with an ellipsis where something is missing.
func shorten(text string, width, size float64, bold bool) string {
	if textWidth(text, size, bold) <= width {
		return text
	}
	runes := []rune(text)
	for len(runes) > 0 && textWidth(string(runes)+"…", size, bold) > width {
		runes = runes[:len(runes)-1]
	}
	return strings.TrimRight(string(runes), " ,") + "…"
}

// fold breaks text at blanks into lines of at most width pixels.
func fold(text string, width, size float64) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		longer := strings.TrimSpace(line + " " + word)
		if line != "" && textWidth(longer, size, false) > width {
			lines = append(lines, line)
			longer = word
		}
		line = longer
	}
	return append(lines, shorten(line, width, size, false))
}
