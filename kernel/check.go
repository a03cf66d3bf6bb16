package kernel

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// CheckNetwork reports what of this host already lies inside the network: an interface's address, or a foreign route to an
// equal or narrower prefix. It changes nothing. The error is a *ConflictError, in one line; nil: the network is free. A wider
// route, such as 10.0.0.0/8 around 10.244.0.0/16, is no conflict; neither are the device, what else carries weft's interface
// alias, a bridge with an address in our own subnets, routes inside these, and all that lies in lans, the networks behind
// this host. The device need not exist. A node that does not know its subnets yet gives none: then those count that an
// earlier run left unreachable routes for.
func (h *Host) CheckNetwork(network []netip.Prefix, device string, own, lans []netip.Prefix) error {
	for _, p := range slices.Concat(network, own, lans) {
		if err := validPrefix(p); err != nil {
			return fmt.Errorf("kernel: check network: %w", err)
		}
	}
	l, err := h.linkNamed(device)
	if err != nil && !errors.Is(err, ErrNoDevice) {
		return err
	}
	routes, err := h.routes()
	if err != nil {
		return err
	}
	if len(own) == 0 {
		own = leftSubnets(routes, network)
	}
	c := checker{network: network, own: own, lans: lans, device: l.index}
	if c.links, err = h.links(); err != nil {
		return err
	}
	addresses, err := h.addresses()
	if err != nil {
		return err
	}
	return c.first(addresses, routes)
}

// leftSubnets are the subnets that an earlier run owned, by its unreachable routes.
func leftSubnets(routes []route, network []netip.Prefix) []netip.Prefix {
	var list []netip.Prefix
	for _, r := range routes {
		if r.protocol == Protocol && r.metric == ownMetric && within(r.prefix, network) {
			list = append(list, r.prefix)
		}
	}
	return list
}
