package sim

import (
	"fmt"
	"strings"
	"time"
)

// Report says, in Markdown, what went wrong, how to run the same again, and what was sent shortly before, as a Mermaid sequence diagram.
// what is the reason; command replays the run.
func (w *World) Report(what, command string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\nSeed %d, %.6f s after the begin, %d datagrams. The same again:\n\n    %s\n\n",
		what, w.cfg.Seed, w.now.Sub(epoch).Seconds(), w.Datagrams(), command)
	b.WriteString("What was sent last:\n\n```mermaid\nsequenceDiagram\n")
	for _, l := range w.journal.last() {
		b.WriteString("    " + l.mermaid() + "\n")
	}
	b.WriteString("```\n\nThe nodes:\n\n| node | state | address | identity |\n|---|---|---|---|\n")
	for _, n := range w.nodes {
		fmt.Fprintf(&b, "| %v | %s | %s | %s |\n", n, n.state(), n.where(), n.self.Short())
	}
	return b.String()
}

// mermaid is one message of the diagram. What did not arrive ends in a cross.
func (l *line) mermaid() string {
	to, arrow, outcome := l.addr.String(), "->>", ""
	if l.to != nil {
		to = l.to.String()
	}
	to = strings.NewReplacer(":", "#colon;", "[", "", "]", "").Replace(to)
	if l.outcome != "" {
		arrow, outcome = "-x", ", "+l.outcome
	}
	return fmt.Sprintf("%v%s%s: %.6f s %s, %d bytes%s", l.from, arrow, to, l.at.Seconds(), l.label, l.size, outcome)
}

func (n *Node) state() string {
	if !n.running {
		return "stopped"
	}
	direct, relayed := 0, 0
	for _, p := range n.sorted {
		switch {
		case p.isDirect():
			direct++
		case p.up:
			relayed++
		}
	}
	return fmt.Sprintf("knows %d, reaches %d straight and %d through relays", len(n.sorted), direct, relayed)
}

func (n *Node) where() string {
	if n.nat != nil {
		return fmt.Sprintf("%v behind %v, %v", n.addr, n.nat.kind, n.nat.public)
	}
	return n.addr.String()
}

// Elapsed is the time since the World began.
func (w *World) Elapsed() time.Duration { return w.now.Sub(epoch) }
