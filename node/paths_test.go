package node

import (
	"slices"
	"testing"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/kernel"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/config"
)

func TestWhereTheDirectPathIsCutPacketsGoThroughAnotherNode(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		m := s.joined(3)
		a, b, c := m[0], m[1], m[2]
		c.kernel.setMTU(1450)
		time.Sleep(20 * time.Second)
		s.net.Cut(a.host, b.host)
		within(t, 20*time.Second, "reached through c", func() bool { return a.peer("node-2").Path == api.PathRelay || b.peer("node-1").Path == api.PathRelay })
		within(t, time.Second, "both ways", func() bool { return a.peer("node-2").Path == api.PathRelay && b.peer("node-1").Path == api.PathRelay })
		p := a.peer("node-2")
		mtu := 1450 - encap.SealedOverhead4 - encap.RelayOverhead(1)
		if p.State != api.StateUp || p.Via != "node-3" || !slices.Equal(p.Relays, []string{"node-3"}) || p.Why == "" || p.PathSince.IsZero() || p.Endpoint != "" || p.MTU != mtu {
			t.Errorf("peer %+v, want an MTU of %d", p, mtu)
		}
		within(t, time.Second, "the kernel knows the MTU", func() bool {
			return slices.ContainsFunc(a.kernel.state().Routes, func(r kernel.Route) bool {
				return r.Prefix == subnetOf(2) && r.MTU == kernel.OverlayMTU(mtu)
			})
		})
		if !a.carries(b) || !b.carries(a) {
			t.Error("nothing goes through")
		}
		time.Sleep(time.Minute) // gossip finds its way as well
		if p := a.peer("node-2"); !p.Member || p.State != api.StateUp || len(p.Tried) == 0 {
			t.Errorf("after a minute: %+v", p)
		}
		if n := a.status().Node.Paths; n.ToRelay != 1 || n.ToDirect != 0 || c.status().Node.Relayed.Packets == 0 {
			t.Errorf("counted %+v, and at the relay %+v", n, c.status().Node.Relayed)
		}
		_, err := c.reload(func(cfg *config.Config) { cfg.Relay = config.RelayRefuse })
		must(t, err)
		within(t, 20*time.Second, "down without a relay", func() bool { return a.peer("node-2").State == api.StateDown })
		s.net.Heal(a.host, b.host)
		within(t, 10*time.Second, "reached straight", func() bool { return a.peer("node-2").Path == api.PathUDP })
	})
}
