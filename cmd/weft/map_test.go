package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/weftnet/weft/node/api"
)

// mapOf is a map of nodes of those names, all of which are there and say what links they have.
func mapOf(names ...string) *api.Map {
	m := &api.Map{Nodes: []api.MapNode{}, Links: []api.MapLink{}}
	for i, name := range names {
		id := fmt.Sprintf("%064x", i)
		m.Nodes = append(m.Nodes, api.MapNode{Name: name, ID: id, Number: id[48:], State: api.MapAlive, Relay: api.RelayAllowed})
	}
	m.Nodes[0].State, m.Self = api.MapSelf, m.Nodes[0].ID
	return m
}

// link adds a link of two nodes that both, or one of them, say is up.
func link(m *api.Map, a, b int, upA, upB bool, rtt string) *api.MapLink {
	m.Links = append(m.Links, api.MapLink{
		A: m.Nodes[a].Name, AID: m.Nodes[a].ID, B: m.Nodes[b].Name, BID: m.Nodes[b].ID, UpA: upA, UpB: upB, RTT: rtt, Loss: "0 %",
	})
	return &m.Links[len(m.Links)-1]
}

func TestAMapIsAMermaidFlowchart(t *testing.T) {
	m := mapOf("vm-1", "vm-2", "vm-3", "vm-4", "vm-5", "vm-5")
	m.Nodes[1].Relay = api.RelayRefused
	m.Nodes[3].State = api.MapDead
	m.Nodes[4].Silent, m.Nodes[4].Relay = true, ""
	link(m, 0, 1, true, true, "<0.5 ms")
	l := link(m, 0, 2, true, true, "8-16 ms")
	l.Lossy, l.Loss = 2, "1-3 %"
	link(m, 0, 3, false, true, "2-4 ms") // the dead one alone
	link(m, 0, 5, false, true, "2-4 ms")
	link(m, 1, 5, true, false, "2-4 ms")
	link(m, 2, 5, true, true, "2-4 ms")
	want := strings.TrimPrefix(`
flowchart LR
  n0["vm-1"]:::self
  n1["vm-2<br/>relays nothing"]
  n2["vm-3"]
  n3["vm-4<br/>dead"]:::gone
  n4["vm-5 00000000<br/>says nothing of its links"]
  n5["vm-5 00000000"]
  n0 ---|"#60;0.5 ms"| n1
  n0 ---|"8-16 ms, 1-3 #37; lost"| n2
  n5 -.->|"2-4 ms, says one end alone"| n0
  n1 -.->|"2-4 ms, says one end alone"| n5
  n2 ---|"2-4 ms"| n5
  n1 x-.-x|"no link"| n2
  classDef self stroke-width:3px
  classDef gone stroke-dasharray:4 4,color:#888,stroke:#888
`, "\n")
	var out strings.Builder
	if err := printMap(&out, m); err != nil || out.String() != want {
		t.Errorf("%v\n%s", err, out.String())
	}
}

// A name is what its node likes; the chart is what we do.
func TestANameCannotAddToAChart(t *testing.T) {
	for _, name := range []string{
		`"] --> evil["`, "a\nn0 --> n9", "<script>alert(1)</script>", "#quot;", "`*bold*`", "1. list", "1.", "vm-1.example.com", "%%{init: {}}%%", "end", "ä", "",
	} {
		m := mapOf("vm-1", name)
		link(m, 0, 1, true, true, "2-4 ms")
		var out strings.Builder
		if err := printMap(&out, m); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(out.String(), "\n")
		label, ok := strings.CutPrefix(lines[2], `  n1["`)
		label, also := strings.CutSuffix(label, `"]`)
		if len(lines) != 7 || !ok || !also || strings.ContainsAny(label, "\"<>`%*[]{}()\\") || strings.Contains(label+" ", ". ") {
			t.Errorf("%q becomes\n%s", name, out.String())
		}
	}
}

func TestPairsWithoutALinkAreCountedWhereMostHaveNone(t *testing.T) {
	m := mapOf("a", "b", "c", "d")
	link(m, 0, 1, true, true, "2-4 ms")
	var out strings.Builder
	if err := printMap(&out, m); err != nil || strings.Contains(out.String(), "no link\"") || !strings.Contains(out.String(), "%% 5 pairs have no link") {
		t.Errorf("%v\n%s", err, out.String())
	}
}

func TestAChartThatMermaidDoesNotDrawSaysSo(t *testing.T) {
	var names []string
	for i := range 40 {
		names = append(names, fmt.Sprint("vm-", i))
	}
	m := mapOf(names...)
	for i := range names {
		for k := range i {
			link(m, k, i, true, true, "2-4 ms")
		}
	}
	var out strings.Builder
	if err := printMap(&out, m); err != nil || !strings.Contains(out.String(), "%% 780 lines: Mermaid draws 500") {
		t.Errorf("%v\n%s", err, out.String()[max(0, out.Len()-200):])
	}
}
