package trust

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/weftnet/weft/trust/vectors"
)

const protocolFile = "../docs/protocol.md"

func TestTheProtocolHasTheNumbersOfTheCode(t *testing.T) {
	d := vectors.ReadDocument(t, protocolFile)
	d.CheckConstants(t, "trust", map[string]any{
		"SecretLen": SecretLen, "MaxSecrets": MaxSecrets, "tokenMACLen": tokenMACLen, "maxToken": maxToken, "MaxName": MaxName,
		"maxCertificate": maxCertificate, "MaxRevocation": MaxRevocation, "MaxRevocations": MaxRevocations, "MaxPermit": MaxPermit, "maxAllowed": maxAllowed,
		"maxUnixSeconds": maxUnixSeconds, "ClockTolerance": ClockTolerance, "MaxAuthorities": MaxAuthorities,
	})
	d.CheckKeys(t, Token{}, certificateBody{}, revocationBody{}, permitBody{})
}

// TestTheProtocolHasTheLabelsOfTheCode finds the labels and contexts of all rooms. What fmt puts together of several parts stands
// in the document as a whole.
func TestTheProtocolHasTheLabelsOfTheCode(t *testing.T) {
	documented := vectors.ReadDocument(t, protocolFile).Labels()
	var code []string
	for _, room := range []string{"../trust", "../encap", "../mesh", "../router", "../linkstate", "../node"} {
		code = append(code, labelsIn(t, room)...)
	}
	for _, label := range code {
		if !slices.ContainsFunc(documented, func(d string) bool { return d == label || strings.HasPrefix(d, label+" ") }) {
			t.Errorf("protocol.md does not have the label %q", label)
		}
	}
	for _, label := range documented {
		if !slices.ContainsFunc(code, func(c string) bool { return c == label || strings.HasPrefix(label, c+" ") }) {
			t.Errorf("no code has the label %q", label)
		}
	}
}

// TestReferencesInTheProtocolLeadSomewhere follows links within the document, as GitHub names headings.
func TestReferencesInTheProtocolLeadSomewhere(t *testing.T) {
	raw, err := os.ReadFile(protocolFile)
	if err != nil {
		t.Fatal(err)
	}
	headings := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(string(raw), -1) {
		name := regexp.MustCompile(`[^a-z0-9 -]`).ReplaceAllString(strings.ToLower(m[1]), "")
		headings[strings.ReplaceAll(name, " ", "-")] = true
	}
	for _, m := range regexp.MustCompile(`\]\(#([^)]+)\)`).FindAllStringSubmatch(string(raw), -1) {
		if !headings[m[1]] {
			t.Errorf("no heading is called %s", m[1])
		}
	}
}

// labelsIn lists the strings of a room that begin as labels do, a zero byte written as \x00.
func labelsIn(t *testing.T, dir string) (labels []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if s, err := strconv.Unquote(lit.Value); err == nil && strings.HasPrefix(s, "weft 1") {
					labels = append(labels, strings.ReplaceAll(s, "\x00", `\x00`))
				}
			}
			return true
		})
	}
	return labels
}
