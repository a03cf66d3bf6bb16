package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/weftnet/weft/node/api"
)

// chart writes a map as a Mermaid flowchart, https://mermaid.js.org/syntax/flowchart.html.
type chart struct {
	m    *api.Map
	text strings.Builder
	keys map[string]string // what nodes are called in the chart, by id
	gone map[string]bool   // nodes that gossip does not reach, by id
}

// maxMermaidEdges is how many edges Mermaid draws, unless the page that holds the chart says otherwise (maxEdges).
const maxMermaidEdges = 500

func printMap(w io.Writer, m *api.Map) error {
	c := &chart{m: m, keys: map[string]string{}, gone: map[string]bool{}}
	c.line("flowchart LR")
	for i, n := range m.Nodes {
		c.keys[n.ID], c.gone[n.ID] = fmt.Sprint("n", i), n.State == api.MapDead || n.State == api.MapLeft
		c.node(&n)
	}
	edges := 0
	for _, l := range m.Links {
		edges += c.link(&l)
	}
	edges += c.absent(edges)
	c.line("classDef self stroke-width:3px")
	c.line("classDef gone stroke-dasharray:4 4,color:#888,stroke:#888")
	if edges > maxMermaidEdges {
		c.line("%%%% %d lines: Mermaid draws %d, unless its setting maxEdges is raised", edges, maxMermaidEdges)
	}
	_, err := io.WriteString(w, c.text.String())
	return err
}

func (c *chart) line(format string, args ...any) {
	if c.text.Len() > 0 {
		c.text.WriteString("  ")
	}
	fmt.Fprintf(&c.text, format+"\n", args...)
}

// node writes a node: its name, and what is not usual about it.
func (c *chart) node(n *api.MapNode) {
	label, class := mermaidText(n.Name), ""
	if c.same(n) {
		label += " " + n.Number[:8]
	}
	for _, note := range nodeNotes(n) {
		label += "<br/>" + note
	}
	switch {
	case n.State == api.MapSelf:
		class = ":::self"
	case c.gone[n.ID]:
		class = ":::gone"
	}
	c.line(`%s["%s"]%s`, c.keys[n.ID], label, class)
}

// same reports whether another node has the name of n.
func (c *chart) same(n *api.MapNode) bool {
	for _, o := range c.m.Nodes {
		if o.Name == n.Name && o.ID != n.ID {
			return true
		}
	}
	return false
}

func nodeNotes(n *api.MapNode) (notes []string) {
	if n.State == api.MapDead || n.State == api.MapLeft {
		return []string{n.State}
	}
	if n.Relay == api.RelayRefused {
		notes = append(notes, "relays nothing")
	}
	if n.Silent {
		notes = append(notes, "says nothing of its links")
	}
	if n.Shared {
		notes = append(notes, "shares its number")
	}
	return notes
}

// link writes an edge, and returns how many that are. What only a node says that is not there any more is out of date.
func (c *chart) link(l *api.MapLink) int {
	a, b, label := c.keys[l.AID], c.keys[l.BID], mermaidText(linkText(l))
	switch {
	case l.UpA && l.UpB:
		c.line(`%s ---|"%s"| %s`, a, label, b)
	case l.UpA && !c.gone[l.AID]:
		c.line(`%s -.->|"%s, says one end alone"| %s`, a, label, b)
	case l.UpB && !c.gone[l.BID]:
		c.line(`%s -.->|"%s, says one end alone"| %s`, b, label, a)
	default:
		return 0
	}
	return 1
}

func linkText(l *api.MapLink) string {
	if l.Lossy == 0 {
		return l.RTT
	}
	return l.RTT + ", " + l.Loss + " lost"
}

// absent writes the pairs without a link, of nodes that are there and say what links they have. Where they are more than those that have
// one, which are drawn, that is how the cluster is, and a line says how many.
func (c *chart) absent(drawn int) int {
	linked, pairs := map[[2]string]bool{}, [][2]string{}
	for _, l := range c.m.Links {
		linked[[2]string{l.AID, l.BID}], linked[[2]string{l.BID, l.AID}] = true, true
	}
	for i, a := range c.m.Nodes {
		for _, b := range c.m.Nodes[i+1:] {
			if c.speaks(&a) && c.speaks(&b) && !linked[[2]string{a.ID, b.ID}] {
				pairs = append(pairs, [2]string{a.ID, b.ID})
			}
		}
	}
	if len(pairs) > drawn {
		c.line("%%%% %d pairs have no link", len(pairs))
		return 0
	}
	for _, p := range pairs {
		c.line(`%s x-.-x|"no link"| %s`, c.keys[p[0]], c.keys[p[1]])
	}
	return len(pairs)
}

func (c *chart) speaks(n *api.MapNode) bool { return !c.gone[n.ID] && !n.Silent }

// mermaidText is text within quotes of a chart. All that could mean something there is written as the number of its character, which
// Mermaid undoes when it draws: names come from other nodes. A dot within a word means nothing; "1. " begins a list.
func mermaidText(s string) string {
	var b strings.Builder
	s = cmp.Or(s, "?")
	for i, r := range s {
		switch {
		case isPlain(r), r == '-', r == ' ', r == ',', r == '.' && i+1 < len(s) && isPlain(rune(s[i+1])):
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, "#%d;", r)
		}
	}
	return b.String()
}

func isPlain(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}
