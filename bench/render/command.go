package render

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weftnet/weft/bench/report"
)

// What 'weft bench' takes without flags.
const (
	usualPreset = "standard"
	usualRounds = 5
	usualMTU    = 1500
)

// command is what measures the same again. It names subjects and measures even where they are the preset's own, since another
// version may have more.
func command(o report.Options) string {
	lines := []string{"sudo weft bench"}
	if o.Preset != "" && o.Preset != usualPreset {
		lines[0] += " --" + shellWord(o.Preset)
	}
	if o.Rounds != usualRounds && o.Rounds != 0 {
		lines[0] += fmt.Sprintf(" --rounds %d", o.Rounds)
	}
	if o.MTU != usualMTU && o.MTU != 0 {
		lines[0] += fmt.Sprintf(" --mtu %d", o.MTU)
	}
	if o.OverlayMTU != 0 {
		lines[0] += fmt.Sprintf(" --overlay-mtu %d", o.OverlayMTU)
	}
	if o.Rate != 0 {
		lines[0] += " --rate " + rateFlag(o.Rate)
	}
	for _, names := range [][]string{o.Subjects, o.Measures} {
		if len(names) > 0 {
			lines = append(lines, "--only "+shellWord(strings.Join(names, ",")))
		}
	}
	return strings.Join(lines, " \\\n    ")
}

// rateFlag writes bit/s as --rate takes it: 1G, 100M, or the number.
func rateFlag(rate uint64) string {
	for _, unit := range []struct {
		size uint64
		name string
	}{{1e9, "G"}, {1e6, "M"}} {
		if rate%unit.size == 0 {
			return fmt.Sprintf("%d%s", rate/unit.size, unit.name)
		}
	}
	return fmt.Sprint(rate)
}

// shellWord is text as one word of a shell's line.
func shellWord(text string) string {
	safe := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.,", r)
	}
	if text = clean(text); text != "" && !slices.ContainsFunc([]rune(text), func(r rune) bool { return !safe(r) }) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
