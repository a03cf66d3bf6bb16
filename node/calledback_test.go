package node

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/node/dialback"
)

// gate dials through a firewall that, once it is closed, swallows new flows of UDP and refuses those of TCP.
type gate struct {
	encap.Dialer
	closed   atomic.Bool
	udp, tcp bool // pass also then
}

// DialContext implements encap.Dialer.
func (g *gate) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if g.closed.Load() && network == "udp" && !g.udp {
		conn, _ := net.Pipe()
		return swallowing{conn}, nil
	}
	if g.closed.Load() && network == "tcp" && !g.tcp {
		return nil, &net.OpError{Op: "dial", Net: network, Err: unix.ECONNREFUSED}
	}
	return g.Dialer.DialContext(ctx, network, address)
}

type swallowing struct{ net.Conn }

// Write implements io.Writer: all is lost.
func (swallowing) Write(p []byte) (int, error) { return len(p), nil }

// dialBack asks the second machine of two that reach each other to call the first.
func dialBack(t *testing.T, edit func(a, b *machine), check func(a *machine, r *api.DialBack)) {
	t.Helper()
	bubble(t, lan, func(t *testing.T, s *site) {
		a, b := s.pair()
		edit(a, b)
		r, err := a.node.DialBack(t.Context(), "node-2")
		if err != nil {
			t.Fatal(err)
		}
		check(a, r)
	})
}

func TestAPeerCallsUsWhereWeSayThatWeAre(t *testing.T) {
	dialBack(t, func(*machine, *machine) {}, func(a *machine, r *api.DialBack) {
		want := api.DialedEndpoint{Endpoint: netip.AddrPortFrom(addrOf(1), config.DefaultPort), UDP: "ok", TCP: "ok"}
		if r.By != api.DialedByPeer || r.Why != "" || len(r.Endpoints) != 1 || r.Endpoints[0] != want {
			t.Errorf("%+v", r)
		}
		if p := a.peer("node-2"); p.State != api.StateUp || p.Endpoint != netip.AddrPortFrom(addrOf(2), config.DefaultPort).String() {
			t.Errorf("the calls moved the path: %+v", p)
		}
	})
}

func TestAFirewallThatStopsNewFlowsIsFound(t *testing.T) {
	for want, pass := range map[api.DialedEndpoint]*gate{
		{UDP: api.DialLost, TCP: "ok"}:      {tcp: true},
		{UDP: "ok", TCP: "refused"}:         {udp: true},
		{UDP: api.DialLost, TCP: "refused"}: {},
	} {
		bubble(t, lan, func(t *testing.T, s *site) {
			a, b := s.machine(1), s.machine(2)
			pass.Dialer = b.host
			b.dialer = pass
			a.start()
			b.start()
			within(t, 5*time.Second, "both route to both", joinedUp(a, b))
			pass.closed.Store(true)
			got, err := a.node.DialBack(t.Context(), "node-2")
			must(t, err)
			want.Endpoint = netip.AddrPortFrom(addrOf(1), config.DefaultPort)
			if len(got.Endpoints) != 1 || got.Endpoints[0] != want {
				t.Errorf("%+v, want %+v", got, want)
			}
		})
	}
}

func TestAPeerIsNotCalledAgainAtOnce(t *testing.T) {
	dialBack(t, func(a, _ *machine) {
		if _, err := a.node.DialBack(a.t.Context(), "node-2"); err != nil {
			a.t.Fatal(err)
		}
	}, func(a *machine, r *api.DialBack) {
		if r.By != api.DialedByNobody || !strings.Contains(r.Why, "too often") {
			t.Errorf("%+v", r)
		}
		time.Sleep(dialback.Pause)
		if r, err := a.node.DialBack(a.t.Context(), "node-2"); err != nil || r.By != api.DialedByPeer {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

func TestWithoutAPathOnlyThisSideCalls(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a, b := s.pair()
		b.kill()
		within(t, 30*time.Second, "b is down", func() bool { return a.peer("node-2").State == api.StateDown })
		r, err := a.node.DialBack(t.Context(), "node-2")
		if err != nil {
			t.Fatal(err)
		}
		want := api.DialedEndpoint{Endpoint: netip.AddrPortFrom(addrOf(2), config.DefaultPort), UDP: api.DialLost, TCP: "refused"}
		if r.By != api.DialedBySelf || !strings.Contains(r.Why, "no path") || len(r.Endpoints) != 1 || r.Endpoints[0] != want {
			t.Errorf("%+v", r)
		}
	})
}

func TestAPeerOfAnOlderBuildIsNotAskedAndIsKnownAsOne(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a, b, c := s.machine(1), s.machine(2), s.machine(3)
		b.older = true
		for _, m := range s.machines {
			m.start()
		}
		within(t, 5*time.Second, "all route to all", joinedUp(a, b, c))
		r, err := a.node.DialBack(t.Context(), "node-2")
		if err != nil || r.By != api.DialedByNobody || !strings.Contains(r.Why, "older build") {
			t.Errorf("%+v, %v", r, err)
		}
		if r, err := b.node.DialBack(t.Context(), "node-3"); err != nil || r.By != api.DialedByNobody {
			t.Errorf("the older one asks: %+v, %v", r, err)
		}
		if old, same := a.peer("node-2").Version, a.peer("node-3").Version; old != "" || same != encap.BuildName(a.status().Node.Version) {
			t.Errorf("versions are %q and %q", old, same)
		}
	})
}

func TestAPeerThatNobodyKnowsIsNotAsked(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a, _ := s.pair()
		_, err := a.node.DialBack(t.Context(), "vm-9")
		if !errors.Is(err, ErrUnknownPeer) || !strings.Contains(err.Error(), "node-2") {
			t.Errorf("%v", err)
		}
		if r, err := a.node.DialBack(t.Context(), a.peer("node-2").ID[:8]); err != nil || r.Peer != "node-2" {
			t.Errorf("by the beginning of its id: %+v, %v", r, err)
		}
	})
}

func TestAPeerThatDoesNotAnswerIsGivenUp(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a, b := s.pair()
		s.net.Cut(a.host, b.host) // the path counts as up for a while
		r, err := a.node.DialBack(t.Context(), "node-2")
		if err != nil || r.By == api.DialedByPeer || r.Why == "" {
			t.Errorf("%+v, %v", r, err)
		}
	})
}
