package render

import (
	"fmt"
	"strings"
)

// checkLines says of every check that failed what was seen, and which held of how many subjects.
func (v *view) checkLines() []string {
	if len(v.Checks) == 0 {
		return []string{"None was made."}
	}
	var lines []string
	for _, c := range v.Checks {
		if !c.OK {
			lines = append(lines, fmt.Sprintf("FAILED: %s of %s, looked at in %s: %s", clean(c.Name), clean(c.Subject), rounds(c.Rounds), clean(c.Detail)))
		}
	}
	for _, name := range v.checkNames() {
		if held, all := v.held(name); held > 0 {
			lines = append(lines, fmt.Sprintf("ok: %s, %d of %d subjects%s", clean(name), held, all, checkMeaning(name)))
		}
	}
	return lines
}

// checkMeanings say what the checks look at.
var checkMeanings = map[string]string{
	"payload":   "random bytes arrived as they were sent, over TCP and UDP",
	"checksums": "no kernel counted a wrong TCP or UDP checksum",
	"fragments": "no packet was fragmented",
	"identity":  "the subject ran as its name says: driver, path, sealed or not",
}

func checkMeaning(name string) string {
	if text := checkMeanings[name]; text != "" {
		return ": " + text
	}
	return ""
}

// checkNames are the names of the checks in the order in which they first appear.
func (v *view) checkNames() []string {
	var names []string
	seen := map[string]bool{}
	for _, c := range v.Checks {
		if !seen[c.Name] {
			seen[c.Name] = true
			names = append(names, c.Name)
		}
	}
	return names
}

// held counts the subjects of which the check holds, and those of which it was made.
func (v *view) held(name string) (held, all int) {
	for _, c := range v.Checks {
		if c.Name != name {
			continue
		}
		all++
		if c.OK {
			held++
		}
	}
	return held, all
}

// failedChecks names the subjects with checks that failed: "weft-plain-clear (payload)".
func (v *view) failedChecks() string {
	var texts []string
	for _, c := range v.Checks {
		if !c.OK {
			texts = append(texts, fmt.Sprintf("%s (%s)", clean(c.Subject), clean(c.Name)))
		}
	}
	return strings.Join(texts, ", ")
}
