package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/weftnet/weft/lab/cluster"
	"github.com/weftnet/weft/node/api"
)

// asked is what a command of n's prints as JSON.
func asked[T any](t *testing.T, n *cluster.Node, command ...string) (value T) {
	t.Helper()
	out, err := n.Weft(within(t, patience), append(command, "--json", "--socket", n.Socket())...)
	if err != nil {
		t.Fatalf("%s: %v", strings.Join(command, " "), err)
	}
	if err := json.Unmarshal([]byte(out), &value); err != nil {
		t.Fatalf("%s: %v in %s", strings.Join(command, " "), err, out)
	}
	return value
}

// linkOf is what a map says of the link of two nodes; nil: it has none.
func linkOf(m *api.Map, a, b *cluster.Node) *api.MapLink {
	for i, l := range m.Links {
		if l.A == a.Name() && l.B == b.Name() || l.A == b.Name() && l.B == a.Name() {
			return &m.Links[i]
		}
	}
	return nil
}

// Two that do not reach each other: the map shows that they have no link, and a trace goes through the third and shows how long it takes
// to each.
func TestTraceAndMapShowARelayAndTheLinkThatIsMissing(t *testing.T) {
	c := newCluster(t, 3)
	a, b, relay := c.Nodes[0], c.Nodes[1], c.Nodes[2]
	startAll(t, c)
	to := status(t, b).Node.Addresses[0].String()
	await(t, func() (bool, string) {
		x := asked[api.Trace](t, a, "trace", to)
		return x.Reached && len(x.Hops) == 1 && x.Hops[0].Name == b.Name() && len(x.Hops[0].Times) > 0 && x.Kernel.Overlay && x.Kernel.MTU > 0, fmt.Sprintf("straight: %+v", x)
	})
	if err := c.Cut(a.Host, b.Host); err != nil {
		t.Fatal(err)
	}
	await(t, func() (bool, string) {
		x := asked[api.Trace](t, a, "trace", to)
		return x.Reached && len(x.Hops) == 2 && len(x.Hops[1].Back) == 1, fmt.Sprintf("%+v", x)
	})
	text, err := a.Weft(within(t, patience), "trace", to, "--socket", a.Socket())
	for _, want := range []string{"relay via " + relay.Name(), "by " + relay.Name(), "it gets to " + b.Name(), " ms ("} {
		if err != nil || !strings.Contains(text, want) {
			t.Errorf("weft trace lacks %q: %v\n%s", want, err, text)
		}
	}
	await(t, func() (bool, string) {
		m := asked[*api.Map](t, a, "map")
		by, also := linkOf(m, a, relay), linkOf(m, b, relay)
		speak := !slices.ContainsFunc(m.Nodes, func(n api.MapNode) bool { return n.Silent || n.Relay != api.RelayAllowed })
		return len(m.Nodes) == 3 && speak && m.Nodes[0].State == api.MapSelf && m.Nodes[1].State == api.MapAlive && linkOf(m, a, b) == nil && by != nil && by.InUse && also != nil && also.InUse, fmt.Sprintf("%+v", m)
	})
	text, err = a.Weft(within(t, patience), "map", "--socket", a.Socket())
	if err != nil || !strings.HasPrefix(text, "flowchart LR\n") || strings.Count(text, "---|") != 2 || strings.Count(text, `x-.-x|"no link"|`) != 1 {
		t.Errorf("weft map: %v\n%s", err, text)
	}
	text, err = a.Weft(within(t, patience), "peers", "--socket", a.Socket())
	if err != nil || !strings.Contains(text, "relay via "+relay.Name()+" for ") {
		t.Errorf("weft peers: %v\n%s", err, text)
	}
}

func TestATraceOfWhatIsNotCarriedSaysWhatTheKernelDoes(t *testing.T) {
	c := newCluster(t, 2)
	startAll(t, c)
	n := c.Nodes[0]
	own, there := status(t, n).Node.Addresses[0].String(), status(t, c.Nodes[1]).Node.Addresses[0].String()
	outside := peerOf(t, n, c.Nodes[1].Name()).Endpoint
	outside = outside[:strings.LastIndex(outside, ":")]
	for _, want := range []struct {
		args          []string
		where, has    string
		drop, arrives string
	}{
		{[]string{own}, api.TraceSelf, "delivers it here", "", ""},
		{[]string{"10.244.250.1"}, api.TraceNobody, "nobody owns the destination, and the kernel does not send it: ", "no-route", ""},
		{[]string{outside}, api.TraceOutside, "without weft", "", ""},
		{[]string{there, own}, api.TraceSelf, "delivers it here", "", ""},
		{[]string{there, "10.244.250.1"}, api.TraceNobody, "nobody owns the destination", "foreign-source", "not-local"},
	} {
		x := asked[api.Trace](t, n, append([]string{"trace"}, want.args...)...)
		from := ""
		if x.From != nil {
			from = x.From.Drop
		}
		if x.Where != want.where || x.Drop != want.drop || from != want.arrives || !strings.Contains(x.End, want.has) {
			t.Errorf("%v: %+v, %+v", want.args, x, x.From)
		}
	}
}
