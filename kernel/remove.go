package kernel

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Remove takes away everything that Set made for the device and the network, and nothing else: peer routes, the device's
// addresses, the unreachable routes last. The device itself stays (tun.Remove deletes it); it may already be gone.
// What cannot be removed is named in the error; the rest is removed all the same. An interface of that name that is not
// weft's is an error, and then nothing is removed.
func (h *Host) Remove(device string, network []netip.Prefix) error {
	l, err := h.linkNamed(device)
	if err != nil && !errors.Is(err, ErrNoDevice) {
		return err
	}
	if l.index != 0 && !l.weft {
		return fmt.Errorf("kernel: %s is not weft's: nothing was removed", device)
	}
	routes, err := h.routes()
	if err != nil {
		return err
	}
	var f faults
	steps, _ := plan(nil, routes, h.owner(l.index, network).ours)
	h.removeRoutes(steps, true, &f)
	if l.index != 0 {
		h.removeAddresses(l, &f)
	}
	h.removeRoutes(steps, false, &f)
	return f.err()
}

// removeRoutes removes those routes of steps that are peer routes, or those that are not.
func (h *Host) removeRoutes(steps []step, peers bool, f *faults) {
	for _, s := range steps {
		if (s.route.kind == unix.RTN_UNICAST) == peers {
			f.add(explain(fmt.Sprintf("remove route %v", s.route.prefix), h.apply(s)))
		}
	}
}

func (h *Host) removeAddresses(l link, f *faults) {
	all, err := h.addresses()
	f.add(err)
	for _, a := range all {
		if a.link == l.index && !a.prefix.Addr().IsLinkLocalUnicast() {
			f.add(h.dropAddress(l, a))
		}
	}
}

// dropAddress removes an address of our device; it may be gone already.
func (h *Host) dropAddress(l link, a address) error {
	if err := h.nl.AddrDel(l.raw, &a.raw); !errors.Is(err, unix.EADDRNOTAVAIL) {
		return explain(fmt.Sprintf("remove address %v of %s", a.prefix, l.name), err)
	}
	return nil
}
