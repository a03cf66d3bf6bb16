package kernel

import (
	"errors"

	"golang.org/x/sys/unix"
)

// step is one request to the kernel.
type step struct {
	op    Op
	route route
}

// loopback is the interface index of lo in every namespace.
const loopback = 1

// apply sends one step to the kernel. Adding never overwrites (NLM_F_EXCL); what is already gone is removed.
func (h *Host) apply(s step) error {
	n := s.route.netlink()
	switch s.op {
	case Added:
		return h.nl.RouteAdd(n)
	case Changed:
		return h.nl.RouteReplace(n)
	}
	if n.LinkIndex == 0 && s.route.prefix.Addr().Is6() {
		n.LinkIndex = loopback // RTM_DELROUTE of IPv6 does not compare the type, and would take any route of this metric
	}
	if err := h.nl.RouteDel(n); !errors.Is(err, unix.ESRCH) {
		return err
	}
	return nil
}
