package node

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/node/api"
)

// trace is what 'weft trace' would say; without src, of a packet of the node itself.
func (m *machine) trace(src, dst string) *api.Trace {
	m.t.Helper()
	from, _ := netip.ParseAddr(src)
	t, err := m.node.Trace(context.Background(), from, netip.MustParseAddr(dst))
	must(m.t, err)
	return t
}

// hopNames are the nodes on the way of a trace, with how many answers each gave.
func hopNames(t *api.Trace) (list []string) {
	for _, h := range t.Hops {
		list = append(list, fmt.Sprintf("%s %d", h.Name, len(h.Times)))
	}
	return list
}

func TestATraceShowsTheWayToAPeerStraightAndThroughARelay(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a, b, c := s.trio()
		x := a.trace("", "10.244.2.9")
		if !x.Reached || x.End != "it gets to node-2, which takes it" || !slices.Equal(hopNames(x), []string{"node-2 3"}) || x.Hops[0].Times[0] < 2000 {
			t.Errorf("straight: %+v", x)
		}
		if k := x.Kernel; x.Source != own(1) || !k.Overlay || k.Prefix != subnetOf(2) || k.MTU == 0 || len(x.Routes) != 1 || x.Routes[0].Owner != "node-2" {
			t.Errorf("straight: from %v, kernel %+v, routes %+v", x.Source, k, x.Routes)
		}
		s.net.Cut(a.host, b.host)
		within(t, 10*time.Second, "through c", func() bool { return a.peer("node-2").Path == api.PathRelay })
		time.Sleep(3 * time.Second)
		x = a.trace("", "10.244.2.9")
		if !x.Reached || !slices.Equal(hopNames(x), []string{"node-3 3", "node-2 3"}) || x.Hops[1].Via != "node-3" || !slices.Equal(x.Hops[1].Back, []string{"node-3"}) {
			t.Errorf("through c: %+v", x)
		}
		if p := x.Peer; p == nil || p.Name != "node-2" || p.Via != "node-3" || p.Why == "" {
			t.Errorf("the peer is %+v", p)
		}
		c.kill()
		x = a.trace("", "10.244.2.9")
		if x.Reached || x.End != "node-3 does not answer: the questions, or its answers, get lost between this node and node-3" {
			t.Errorf("when c has just died: %q, %v", x.End, hopNames(x))
		}
		within(t, 30*time.Second, "b is down", func() bool { return a.peer("node-2").State == api.StateDown })
		x = a.trace("", "10.244.2.9")
		if x.Reached || x.Drop != "peer-down" || !strings.HasPrefix(x.End, "this node drops it, peer-down: ") || x.Peer.State != api.StateDown {
			t.Errorf("without any way: %+v", x)
		}
	})
}

func TestATraceTellsWhatBecomesOfPacketsThatGoNowhere(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a, _, _ := s.trio()
		for _, c := range []struct {
			src, dst           string
			where, drop, from  string
			reached, masquered bool
			end                string
		}{
			{"", "10.244.1.1", api.TraceSelf, "", "", true, false, "10.244.1.1 is at this node: the kernel delivers it here"},
			{"", "10.244.1.77", api.TraceSelf, "", "", false, false, "10.244.1.77 is in a subnet of this node, and the kernel has no way to it: there is no such pod"},
			{"", "10.244.77.1", api.TraceNobody, "no-route", "", false, false, "nobody owns the destination, and the kernel does not send it: no route to host"},
			{"", "198.51.100.1", api.TraceOutside, "", "", false, false, "the destination is not in the overlay: the kernel sends it by eth0, without weft"},
			{"10.244.2.1", "10.244.3.1", api.TracePeer, "foreign-source", "not-local", false, false,
				"this node drops it, foreign-source: 10.244.2.1 is not in what this node owns (10.244.1.0/24)"},
			{"10.244.2.1", "10.244.1.1", api.TraceSelf, "", "", true, false, "10.244.1.1 is at this node: the kernel delivers it here"},
			{"203.0.113.1", "10.244.2.1", api.TracePeer, "foreign-source", "", true, true, "it gets to node-2, which takes it"},
		} {
			x := a.trace(c.src, c.dst)
			from := ""
			if x.From != nil {
				from = x.From.Drop
			}
			if x.Where != c.where || x.Drop != c.drop || from != c.from || x.Reached != c.reached || x.Masqueraded != c.masquered || x.End != c.end {
				t.Errorf("from %s to %s: %+v, from its owner %+v", c.src, c.dst, x, x.From)
			}
			if outside := c.where == api.TraceOutside; c.src == "" && (x.Source == a.host.Addrs()[0]) != outside {
				t.Errorf("to %s: from %s; the kernel gives it %s", c.dst, x.Source, x.Kernel.Source)
			}
			if (x.From != nil) != (c.src == "10.244.2.1") || x.Drop != "" && x.Why == "" {
				t.Errorf("from %s to %s: from its owner %+v; why %q", c.src, c.dst, x.From, x.Why)
			}
		}
	})
}

func TestATraceOfWhatIsNoPacketIsRefused(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a, _ := s.pair()
		for query, want := range map[string]string{
			"":                                "unable to parse IP",
			"?dst=vm-2":                       `ParseAddr("vm-2")`,
			"?dst=10.244.2.1&src=x":           `ParseAddr("x")`,
			"?dst=10.244.2.1&src=fd00::1":     "are not of one family",
			"?dst=2001:db8::1":                "no address of the family of 2001:db8::1",
			"?dst=fe80::1%25eth0&src=fd00::1": "fe80::1%eth0 belongs to one link",
			"?dst=0.0.0.0":                    "node: trace: 0.0.0.0 is no address of a packet\n",
			"?dst=10.244.2.1&src=0.0.0.0":     "0.0.0.0 is no address of a packet",
		} {
			w := httptest.NewRecorder()
			a.node.serveTrace(w, httptest.NewRequest(http.MethodPost, "/v1/trace"+query, nil))
			if w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), want) {
				t.Errorf("%q: %d %s", query, w.Code, w.Body)
			}
		}
		if _, err := a.node.Trace(context.Background(), netip.Addr{}, netip.Addr{}); !errors.Is(err, errNoPacket) {
			t.Errorf("no address: %v", err)
		}
	})
}
