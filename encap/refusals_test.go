package encap

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

func TestRefusalsAreListedUntilTheirTimeIsOverOrTheyAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		port := &UDPPort{gso: &segmentation{}}
		a, b := netip.MustParseAddrPort("192.0.2.1:9338"), netip.MustParseAddrPort("[2001:db8::1]:9338")
		assertRefusals := func(want ...netip.AddrPort) {
			t.Helper()
			if got := port.Refusals(); len(got) != len(want) || len(got) > 0 && got[0] != want[0] {
				t.Errorf("refusals %v, want %v", got, want)
			}
		}
		assertRefusals()
		port.gso.refuse(a)
		assertRefusals(a)
		time.Sleep(refusalFor)
		assertRefusals()
		port.gso.refuse(b)
		assertRefusals(b)
		port.Renew()
		assertRefusals()
	})
}
