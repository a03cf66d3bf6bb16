package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/node/api"
)

func TestEveryCommandSaysWhatItIsForAndHowItIsUsed(t *testing.T) {
	for _, cmd := range newRoot().Commands() {
		switch {
		case cmd.Short == "" || strings.HasSuffix(cmd.Short, "."):
			t.Errorf("%s: Short is %q", cmd.Name(), cmd.Short)
		case cmd.Long == "" && cmd.Example == "" && !cmd.Hidden:
			t.Errorf("%s has neither Long nor Example", cmd.Name())
		}
		for line := range strings.Lines(cmd.Example) {
			if !strings.HasPrefix(line, "  ") || !strings.Contains(line, "weft "+cmd.Name()) {
				t.Errorf("%s: example %q", cmd.Name(), line)
			}
		}
	}
}

// manPages are the pages that 'weft man' writes, by their files.
func manPages(t *testing.T) map[string]string {
	t.Helper()
	dir := t.TempDir()
	if code, said := weft(t, io.Discard, "man", dir); code != 0 {
		t.Fatal(said)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	pages := map[string]string{}
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		pages[f.Name()] = string(text)
	}
	return pages
}

func TestEveryCommandHasAManPageThatIsTheSameWheneverItIsMade(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	t.Setenv("TZ", "Pacific/Kiritimati") // where the month had changed already
	pages := manPages(t)
	want := []string{"weft." + manSection}
	for _, cmd := range newRoot().Commands() {
		for _, c := range append(cmd.Commands(), cmd) {
			if c.IsAvailableCommand() {
				want = append(want, strings.ReplaceAll(c.CommandPath(), " ", "-")+"."+manSection)
			}
		}
	}
	for _, file := range want {
		if !strings.Contains(pages[file], `"Nov 2023"`) || !strings.Contains(pages[file], ".SH NAME") {
			t.Errorf("%s: %q", file, pages[file])
		}
	}
	if len(pages) != len(want) {
		t.Errorf("%d pages, want %d", len(pages), len(want))
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for file, text := range pages {
		if strings.Contains(text, "cobra") || strings.Contains(text, "default "+host+")") {
			t.Errorf("%s depends on where it was made:\n%s", file, text)
		}
	}
	if up := pages["weft-up."+manSection]; !strings.Contains(up, "--subnet-size") || !strings.Contains(up, "--check") {
		t.Errorf("the page of up lacks flags:\n%s", up)
	}
}

func TestABadDateOfManPagesIsRefused(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "yesterday")
	if code, said := weft(t, io.Discard, "man", t.TempDir()); code != 2 || !strings.Contains(said, "SOURCE_DATE_EPOCH") || !strings.Contains(said, "yesterday") {
		t.Errorf("exit code %d, %q", code, said)
	}
}

// completed is what the shell's script gets to propose.
func completed(t *testing.T, args ...string) []string {
	t.Helper()
	var out bytes.Buffer
	if code, said := weft(t, &out, append([]string{cobra.ShellCompNoDescRequestCmd}, args...)...); code != 0 {
		t.Fatal(said)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	return slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, ":") || strings.HasPrefix(l, "Completion ended") })
}

func TestTheShellProposesCommandsFlagsAndValues(t *testing.T) {
	for _, test := range []struct {
		args []string
		want []string
	}{
		{[]string{"rel"}, []string{"reload"}},
		{[]string{"up", "--state"}, []string{"--state-dir"}},
		{[]string{"up", "--encryption", ""}, []string{"on", "off"}},
		{[]string{"join", "--offload-gso", ""}, []string{"auto", "on", "off"}},
		{[]string{"up", "--log-level", ""}, []string{"debug", "info", "warn", "error"}},
		{[]string{"up", "--firewall", ""}, []string{"auto", "off"}},
		{[]string{"completion", ""}, []string{"bash", "zsh", "fish"}},
		{[]string{"status", ""}, nil},
		{[]string{"bench", "--between", ""}, nil}, // no daemon runs
	} {
		if got := completed(t, test.args...); !slices.Equal(got, test.want) {
			t.Errorf("%v: %q, want %q", test.args, got, test.want)
		}
	}
}

func TestTheShellProposesThePeersThatTheDaemonKnows(t *testing.T) {
	c := newCluster(t, 2)
	startAll(t, c)
	out, err := c.Nodes[0].Weft(within(t, patience), cobra.ShellCompRequestCmd, "bench", "--socket", c.Nodes[0].Socket(), "--between", "")
	if err != nil || !strings.HasPrefix(out, "vm-2\t"+api.StateUp) {
		t.Errorf("%v %q", err, out)
	}
}

func TestScriptsForEveryShellAreWholeAndOthersAreRefused(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		var out bytes.Buffer
		if code, said := weft(t, &out, "completion", shell); code != 0 || !strings.Contains(out.String(), cobra.ShellCompRequestCmd) {
			t.Errorf("%s: %d %s", shell, code, said)
		}
	}
	if code, said := weft(t, io.Discard, "completion", "tcsh"); code != 2 || !strings.Contains(said, "tcsh") {
		t.Errorf("tcsh: %d %s", code, said)
	}
}

// A daemon must not be killed by a hangup that comes before it has read its configuration.
func TestOnlyTheDaemonTakesHangupsItself(t *testing.T) {
	for line, want := range map[string]bool{
		"up": true, "up --config x": true, "up --log-level=debug --check": true, "down": false, "bench up": false, "": false, "nonsense": false,
	} {
		if got := isDaemon(strings.Fields(line)); got != want {
			t.Errorf("%q: %v", line, got)
		}
	}
}
