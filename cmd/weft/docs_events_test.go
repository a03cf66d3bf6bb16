package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const eventsFile = "docs/events.md"

// event is what is logged under one name, at however many places.
type event struct {
	levels, keys map[string]bool
	at           string // one of the places
}

// row is how docs/events.md lists an event, up to its meaning.
func (e *event) row(name string) string {
	keys := slices.Sorted(maps.Keys(e.keys))
	for i, k := range keys {
		keys[i] = "`" + k + "`"
	}
	return fmt.Sprintf("| `%s` | %s | %s |", name, strings.Join(slices.Sorted(maps.Keys(e.levels)), ", "), strings.Join(keys, ", "))
}

var eventName = regexp.MustCompile(`^[a-z]+(\.[a-z]+)+$`)

func TestEveryEventIsDocumentedWithItsLevelAndKeys(t *testing.T) {
	logged, documented := loggedEvents(t), documentedEvents(t)
	for _, name := range slices.Sorted(maps.Keys(logged)) {
		e := logged[name]
		if !eventName.MatchString(name) {
			t.Errorf("%s: event %q is not of the form room.thing.happened, in lower case", e.at, name)
		}
		if want := e.row(name); documented[name] != want {
			t.Errorf("%s should list the event of %s as\n%s meaning | what to do |\nnot as\n%s", eventsFile, e.at, want, documented[name])
		}
	}
	for name := range documented {
		if logged[name] == nil {
			t.Errorf("%s lists %s, which is logged nowhere", eventsFile, name)
		}
	}
}

var eventRow = regexp.MustCompile("(?m)^(\\| `([^`]+)` \\| [a-z, ]+ \\| [^|]*\\|) [^|]+ \\| [^|]+ \\|$")

// documentedEvents are the rows of the document up to the meaning, by event.
func documentedEvents(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, eventsFile))
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	for _, m := range eventRow.FindAllStringSubmatch(string(text), -1) {
		if rows[m[2]] != "" {
			t.Errorf("%s lists %s twice", eventsFile, m[2])
		}
		rows[m[2]] = m[1]
	}
	return rows
}

// loggedEvents are all calls of a logger in the sources of all rooms, tests aside.
func loggedEvents(t *testing.T) map[string]*event {
	t.Helper()
	s := &eventScan{t: t, files: token.NewFileSet(), events: map[string]*event{}}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(s.files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			s.declaration(decl)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(s.events) < 30 {
		t.Fatalf("%d events found", len(s.events))
	}
	return s.events
}

// eventScan finds calls of loggers by the names of slog's methods.
type eventScan struct {
	t      *testing.T
	files  *token.FileSet
	events map[string]*event
}

// declaration looks through one function, or one other declaration.
func (s *eventScan) declaration(decl ast.Decl) {
	ast.Inspect(decl, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		if f, ok := call.Fun.(*ast.SelectorExpr); ok && logs(f, call) {
			s.call(decl, f, call)
		}
		return true
	})
}

// logs reports whether a call is one of a logger.
func logs(f *ast.SelectorExpr, call *ast.CallExpr) bool {
	if x, ok := f.X.(*ast.Ident); ok && (x.Name == "http" || x.Name == "net") { // http.Error and net.Error are none
		return false
	}
	switch f.Sel.Name {
	case "Debug", "Info", "Warn":
		return true
	case "Error": // not that of an error
		return len(call.Args) > 0
	case "Log", "LogAttrs", "DebugContext", "InfoContext", "WarnContext", "ErrorContext":
		return len(call.Args) > 1
	}
	return false
}

// call notes one call of a logger.
func (s *eventScan) call(decl ast.Decl, f *ast.SelectorExpr, call *ast.CallExpr) {
	at := s.files.Position(call.Pos()).String()
	level := strings.ToLower(f.Sel.Name)
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, level) {
		s.t.Errorf("%s: log with Debug, Info, Warn or Error, not with %s: the event's level would not be known", at, f.Sel.Name)
		return
	}
	names := texts(decl, call.Args[0])
	if len(names) == 0 {
		s.t.Errorf("%s: the event's name is no constant text", at)
	}
	for _, name := range names {
		e := s.events[name]
		if e == nil {
			e = &event{levels: map[string]bool{}, keys: map[string]bool{}, at: at}
			s.events[name] = e
		}
		e.levels[level] = true
		s.keys(e, at, call)
	}
}

// keys notes the keys of a call: every other argument behind the name.
func (s *eventScan) keys(e *event, at string, call *ast.CallExpr) {
	for i := 1; i < len(call.Args); i += 2 {
		key, ok := text(call.Args[i])
		if !ok || call.Ellipsis.IsValid() {
			s.t.Errorf("%s: a key is no constant text", at)
			return
		}
		e.keys[key] = true
	}
}

// texts are the values of an argument: a text, or all that a variable of the function is set to.
func texts(decl ast.Decl, arg ast.Expr) (list []string) {
	if value, ok := text(arg); ok {
		return []string{value}
	}
	name, ok := arg.(*ast.Ident)
	if !ok {
		return nil
	}
	ast.Inspect(decl, func(n ast.Node) bool {
		set, ok := n.(*ast.AssignStmt)
		if !ok || len(set.Lhs) != 1 {
			return true
		}
		if to, ok := set.Lhs[0].(*ast.Ident); ok && to.Name == name.Name {
			if value, ok := text(set.Rhs[0]); ok {
				list = append(list, value)
			}
		}
		return true
	})
	return list
}

// text is the value of a text in the source.
func text(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	value, err := strconv.Unquote(lit.Value)
	return value, err == nil
}
