package router

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weftnet/weft/encap"
)

// A link that works leads to claimed[0]; a frame comes from elsewhere.
func TestALinkThatWorksFollowsAPeerWhereOneOfBothEndsAloneMoves(t *testing.T) {
	claimed := []netip.AddrPort{netip.MustParseAddrPort("192.0.2.2:9338"), netip.MustParseAddrPort("198.51.100.2:9338")}
	foreign := netip.MustParseAddrPort("203.0.113.2:1000")
	const ms = time.Millisecond
	for name, c := range map[string]struct {
		decides  bool // this end has the greater fingerprint
		compares bool // the peer's build knows what probes are for
		at, from netip.AddrPort
		shown    proof
		followed time.Duration // so long ago the link followed the peer; 0: never
		silent   time.Duration // so long the peer has not been heard where the link leads
		want     bool
	}{
		"our own address differs":                            {true, false, foreign, foreign, heard, 0, time.Minute, false},
		"to where the peer does not claim to be":             {false, true, claimed[0], foreign, heard, 0, 0, true},
		"from where it does not claim to be":                 {false, true, foreign, claimed[0], heard, 0, 0, true},
		"between two that it does not claim":                 {false, true, foreign, netip.MustParseAddrPort("203.0.113.2:1001"), heard, 0, 0, true},
		"the answer from where it does not claim to be":      {false, true, claimed[0], foreign, answered, 0, 0, true},
		"again, at once":                                     {false, true, claimed[0], foreign, heard, 999 * ms, 249 * ms, false},
		"again, a second later":                              {false, true, claimed[0], foreign, heard, 1000 * ms, 249 * ms, true},
		"again, as nothing comes where the link leads":       {false, true, claimed[0], foreign, heard, 999 * ms, 250 * ms, true},
		"between two that it claims, the other end moves":    {false, false, claimed[0], claimed[1], heard, 0, time.Minute, false},
		"between two that it claims, this end moves":         {true, false, claimed[0], claimed[1], heard, 0, 0, true},
		"between two that it claims, at once after another":  {true, false, claimed[0], claimed[1], heard, 1 * ms, 0, true},
		"an answer between two that it claims":               {true, false, claimed[0], claimed[1], answered, 0, time.Minute, false},
		"it compares, and is heard where the link leads":     {true, true, claimed[0], claimed[1], heard, 0, 500 * ms, false},
		"it compares, and is not heard where the link leads": {true, true, claimed[0], claimed[1], heard, 0, 501 * ms, true},
		"it compares, and the other end moves":               {false, true, claimed[0], claimed[1], heard, 0, time.Minute, false},
		"it compares, and a call of ours ends there":         {true, true, claimed[0], claimed[1], concluded, 0, 501 * ms, true},
		"it compares, and an answer comes from there":        {true, true, claimed[0], claimed[1], answered, 0, time.Minute, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := hand(t, 1, byHand{}), hand(t, 2, byHand{})
				if c.compares {
					for _, s := range []*side{a, b} {
						s.local.Settings.Capabilities |= encap.CapCompare
					}
				}
				b.config.Endpoints, a.config.Endpoints = claimed, claimed
				introduce(t, a, b)
				if a.router.decides(a.known(b)) != c.decides {
					a, b = b, a
				}
				p := a.known(b)
				a.lead(b, encap.Endpoint{Addr: c.at})
				time.Sleep(time.Hour)
				now := a.router.now()
				p.heard.Store(int64(now.Add(-c.silent).Sub(a.router.started)))
				if c.followed > 0 {
					p.followed = now.Add(-c.followed)
				}
				if got := a.router.mayMove(p, encap.Endpoint{Addr: c.from, Local: addr4(1)}, c.shown); got != c.want {
					t.Errorf("it follows: %v, want %v", got, c.want)
				}
			})
		})
	}
}
