package node

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestAStepOfTheWallClockIsToldFromTimeThatPassed(t *testing.T) {
	for _, test := range []struct{ wall, monotonic, want time.Duration }{
		{4 * time.Second, 4 * time.Second, 0},
		{time.Hour, time.Hour, 0},
		{4*time.Second + leastStep - 1, 4 * time.Second, 0}, // slewed
		{time.Hour + 4*time.Second, 4 * time.Second, time.Hour},
		{-time.Hour + 4*time.Second, 4 * time.Second, -time.Hour},
	} {
		if got := step(test.wall, test.monotonic); got != test.want {
			t.Errorf("step(%v, %v) = %v, want %v", test.wall, test.monotonic, got, test.want)
		}
	}
	now := time.Now()
	c := clockWatch{last: now}
	for _, later := range []time.Duration{0, 4 * time.Second, time.Hour} {
		if by := c.stepped(now.Add(later)); by != 0 {
			t.Errorf("after %v: a step of %v", later, by)
		}
	}
	if got := shown(now); !got.Equal(now) {
		t.Errorf("shown(%v) = %v", now, got)
	}
	if got := shown(time.Time{}); !got.IsZero() {
		t.Errorf("shown of never = %v", got)
	}
}

// wallClock lists the files in which a time.Time loses its monotonic reading, or is made without one, and why that does no harm.
var wallClock = map[string]string{
	"encap/gossipkeys.go":    "day of the key of gossip without a session: clocks may differ by a day, and sessions need none",
	"mesh/claimcodec.go":     "first-claim time, on the wire: it ranks claims of one prefix, and moves none from an owner that is reached",
	"mesh/conflict.go":       "shown to people",
	"mesh/forget.go":         "time of a tombstone: it bounds how long that is passed on; who is there is not forgotten whatever the time",
	"mesh/members.go":        "time of a goodbye: it counts only among boots that were not seen last",
	"mesh/mesh.go":           "time of our goodbye",
	"mesh/store.go":          "name of a file that is set aside; when a dead node was alive last: a clock that jumped ends a lease early, and who returns is welcome",
	"mesh/revocation.go":     "time of a revocation, shown to people",
	"node/authority.go":      "shown to people",
	"trust/admission.go":     "shown to people; what is compared is in certificates",
	"trust/certificate.go":   "begin and end of a certificate: a clock that is wrong refuses, and says so; it admits only what the authority signed",
	"trust/rotation.go":      "begin and end of a permit: a clock that is wrong refuses, and says so; it permits only what the authority signed",
	"trust/revocation.go":    "time of a revocation, shown to people: it counts whatever the clock",
	"node/statedir/epoch.go": "epoch: never less than the one that is stored; name of a file that is set aside",
	"router/liveness.go":     "difference of two nodes' clocks, shown to people",
	"router/trace.go":        "when a question of a trace came, by the clock of who answers: shown to people",
	"router/traceanswer.go":  "likewise, on the wire",
}

// A new place belongs into the list, with the reason why a clock that somebody sets does no harm there.
func TestTheWallClockEntersOnlyWhereItDoesNoHarm(t *testing.T) {
	loses := []string{"Unix", "UnixMilli", "UnixMicro", "UnixNano", "UTC", "Local", "In"}
	found := map[string]bool{}
	rooms := []string{"encap", "linkstate", "mesh", "router", "trust",
		"node", "node/config", "node/dialback", "node/handover", "node/kubernetes", "node/pods", "node/rundir", "node/secrets", "node/service", "node/setup", "node/statedir"}
	for _, room := range rooms {
		for file, called := range calls(t, room) {
			if slices.ContainsFunc(called, func(name string) bool { return slices.Contains(loses, name) }) {
				found[file] = true
			}
		}
	}
	for file := range found {
		if wallClock[file] == "" {
			t.Errorf("%s uses the wall clock", file)
		}
	}
	for file := range wallClock {
		if !found[file] {
			t.Errorf("%s does not use the wall clock any more: take it from the list", file)
		}
	}
}

// calls lists, for every file of a room that is no test, the methods and functions that it calls by a selector.
func calls(t *testing.T, room string) map[string][]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", room, "*.go"))
	must(t, err)
	called := map[string][]string{}
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		source, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		must(t, err)
		file := room + "/" + filepath.Base(path)
		ast.Inspect(source, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if selector, ok := call.Fun.(*ast.SelectorExpr); ok {
					called[file] = append(called[file], selector.Sel.Name)
				}
			}
			return true
		})
	}
	return called
}
