package doctor

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// said are the names of all checks that the facts of the other tests lead to.
func said() map[string]bool {
	list := []*Facts{healthy(), served(), asked(), asked([2]string{"ok", "ok"})}
	for _, b := range broken {
		f := healthy()
		if b.daemon {
			f = served()
		}
		b.spoil(f)
		list = append(list, f)
	}
	names := map[string]bool{}
	for _, f := range list {
		for _, c := range Examine(f).Checks {
			if strings.HasPrefix(c.Name, "daemon.") {
				c.Name = "daemon.WHAT"
			}
			names[c.Name] = true
		}
	}
	return names
}

// ofFeatures are names of the drivers and sockets, not of this package.
var ofFeatures = regexp.MustCompile(`^(device|port)\.`)

func TestEveryCheckIsDocumentedAndNoOther(t *testing.T) {
	text, err := os.ReadFile("../../docs/doctor.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| (`.*?) \\| .* \\| .* \\|$").FindAllStringSubmatch(string(text), -1) {
		for _, name := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row[1], -1) {
			documented[name[1]] = true
		}
	}
	for name := range said() {
		if !documented[name] {
			t.Errorf("docs/doctor.md does not say what %s is", name)
		}
	}
	for name := range documented {
		if !said()[name] && !ofFeatures.MatchString(name) {
			t.Errorf("docs/doctor.md has %s, which is no check", name)
		}
	}
}
