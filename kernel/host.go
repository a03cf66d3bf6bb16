package kernel

import (
	"fmt"
	"log/slog"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Host is the network stack of one network namespace.
type Host struct {
	nl  *netlink.Handle
	log *slog.Logger
}

// New opens the network stack of the calling thread's namespace. A nil logger is silent.
func New(logger *slog.Logger) (*Host, error) {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	nl, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, explain("open netlink", err)
	}
	return &Host{nl: nl, log: logger}, nil
}

// Close lets go of the netlink socket. Everything that Set made stays.
func (h *Host) Close() { h.nl.Close() }

// Set makes the host as want says: the unreachable routes, the device up with its MTU and addresses, the peer routes; what
// an earlier state left is removed. It is idempotent: called again with the same want it changes nothing and costs a look at
// one interface and a list each of addresses and routes.
//
// Errors. ErrNoDevice: the device is gone, or want names none; nothing but adding the unreachable routes was done. A *ConflictError: a foreign route
// inside the network takes (part of) a prefix away from the overlay, or the host has a way of its own to a network behind a
// peer, which stays; everything else is in place. After any other error Set
// has gone on with the rest, and the first error is returned with the number of others.
func (h *Host) Set(want State) (Changes, error) {
	if err := want.validate(); err != nil {
		return nil, fmt.Errorf("kernel: set: %w", err)
	}
	r := &reconcile{host: h, want: want}
	err := r.run()
	return r.changes, err
}

// routes lists the main table, both families.
func (h *Host) routes() ([]route, error) {
	var all []route
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		list, err := dump(func() ([]netlink.Route, error) { return h.nl.RouteListFiltered(family, &netlink.Route{}, 0) })
		if err != nil && !(family == netlink.FAMILY_V6 && noSuchFamily(err)) {
			return nil, explain("list routes", err)
		}
		for _, n := range list {
			if r, ok := routeFrom(n); ok {
				all = append(all, r)
			}
		}
	}
	return all, nil
}
