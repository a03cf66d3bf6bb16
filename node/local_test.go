package node

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/weftnet/weft/kernel"
)

// blindKernel is a host that cannot be looked at.
type blindKernel struct {
	*fakeKernel
}

func (blindKernel) Underlay(string, []netip.Prefix) (kernel.Underlay, error) {
	return kernel.Underlay{}, errors.New("kernel: list interfaces: no buffer space")
}

func TestAHostThatCannotBeLookedAtIsToldOfOnce(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a := s.machine(1)
		must(t, a.boot())
		a.node.platform.Kernel = blindKernel{a.kernel}
		log := a.logged()
		a.run()
		time.Sleep(3 * egressLife)
		if n := log.count("node.underlay.unknown"); n != 1 {
			t.Errorf("it was told %d times", n)
		}
		if e := a.node.egress(netip.Addr{}); e.MTU != defaultUnderlayMTU {
			t.Errorf("egress: %+v", e)
		}
	})
}
