package kernel

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// reconcile is one run of Set.
type reconcile struct {
	host    *Host
	want    State
	device  link
	routes  []route // the main table as last read
	fresh   bool    // nothing was changed since it was read
	stale   []address
	changes Changes
	faults  faults
}

func (r *reconcile) run() error {
	if err := r.guard(); err != nil {
		return err
	}
	if err := r.link(); err != nil {
		return err
	}
	if err := r.addAddresses(); err != nil {
		return err
	}
	blocked, err := r.route()
	if err != nil {
		return err
	}
	r.dropAddresses()
	if err := r.faults.err(); err != nil {
		return err
	}
	return r.conflict(blocked)
}

// guard installs the unreachable routes before anything else, also while the device is missing.
func (r *reconcile) guard() error {
	if err := r.list(); err != nil {
		return err
	}
	network := r.want.Network
	steps, _ := plan(r.want.guards(), r.routes, owner{network: network, alone: func() bool { return false }}.ours)
	for _, s := range steps {
		if s.op != Removed {
			r.apply(s)
		}
	}
	return nil
}

// link finds the device, sets its MTU and brings it up.
func (r *reconcile) link() (err error) {
	r.device, err = r.host.linkNamed(r.want.Device)
	if err != nil {
		return err
	}
	if !r.device.weft { // somebody made another one of that name
		return fmt.Errorf("kernel: %s is not weft's: %w", r.want.Device, ErrNoDevice)
	}
	if err := r.reviveIPv6(); err != nil {
		return err
	}
	if mtu := int(r.want.MTU); mtu != 0 && mtu != r.device.mtu {
		what := r.device.name + " mtu " + strconv.Itoa(mtu)
		if err := r.changed(Changed, KindLink, what, r.host.nl.LinkSetMTU(r.device.raw, mtu)); err != nil {
			return err
		}
	}
	if r.device.up {
		return nil
	}
	// Without a link-local address the kernel sends no router solicitations and no MLD into the overlay. A kernel without
	// IPv6 refuses; then there is nothing to prevent.
	_ = r.host.nl.LinkSetIP6AddrGenMode(r.device.raw, nl6AddrGenModeNone)
	return r.changed(Changed, KindLink, r.device.name+" up", r.host.nl.LinkSetUp(r.device.raw))
}

// leastMTU6 is the MTU below which the kernel stops IPv6 on an interface (RFC 8200, section 5).
const leastMTU6 = 1280

// reviveIPv6 sets the device down, for link to bring it up again, if somebody made its MTU so small that the kernel stopped
// IPv6: on a device that is up, the kernel would give it a link-local address with the first MTU that is large enough.
func (r *reconcile) reviveIPv6() error {
	if !r.device.up || r.device.mtu >= leastMTU6 || int(r.want.MTU) < leastMTU6 {
		return nil
	}
	if err := r.host.nl.LinkSetDown(r.device.raw); err != nil {
		return explain("set "+r.device.name+" down", err)
	}
	r.device.up, r.fresh = false, false
	return nil
}

// nl6AddrGenModeNone is IN6_ADDR_GEN_MODE_NONE of linux/if_link.h.
const nl6AddrGenModeNone = 1

// addAddresses adds the addresses that are missing and notes those that are too many: they go last, because the kernel
// takes an IPv4 address's routes away with it.
func (r *reconcile) addAddresses() error {
	all, err := r.host.addresses()
	if err != nil {
		return err
	}
	present := make(map[netip.Prefix]bool)
	for _, a := range all {
		if a.link != r.device.index || a.prefix.Addr().IsLinkLocalUnicast() {
			continue
		}
		if a.flags&unix.IFA_F_DADFAILED != 0 || !r.wantsAddress(a.prefix) {
			r.stale = append(r.stale, a)
			continue
		}
		present[a.prefix] = true
	}
	for _, addr := range r.want.Addresses {
		if !present[netip.PrefixFrom(addr, addr.BitLen())] {
			r.addAddress(addr)
		}
	}
	return nil
}

func (r *reconcile) wantsAddress(p netip.Prefix) bool {
	for _, addr := range r.want.Addresses {
		if p == netip.PrefixFrom(addr, addr.BitLen()) {
			return true
		}
	}
	return false
}

func (r *reconcile) addAddress(addr netip.Addr) {
	what := fmt.Sprintf("%v dev %s", addr, r.device.name)
	err := r.host.nl.AddrAdd(r.device.raw, overlayAddress(addr))
	if err != nil {
		r.faults.add(explainFor(addr, "add address "+what, err))
		return
	}
	r.note(Added, KindAddress, what)
}

func (r *reconcile) dropAddresses() {
	for _, a := range r.stale {
		if err := r.host.dropAddress(r.device, a); err != nil {
			r.faults.add(err)
			continue
		}
		r.note(Removed, KindAddress, fmt.Sprintf("%v dev %s", a.prefix, r.device.name))
	}
}

// route brings the routes in line and returns the foreign ones that it had to leave in the place of a wanted one.
func (r *reconcile) route() (blocked []route, err error) {
	if err := r.list(); err != nil {
		return nil, err
	}
	ours := r.host.owner(r.device.index, r.want.Network).ours
	peers, standing := r.standing(r.want.peers(r.device.index), ours)
	steps, blocked := plan(append(r.want.guards(), peers...), r.routes, ours)
	blocked = append(blocked, standing...)
	for _, s := range peersFirst(steps) {
		if r.want.KeepRoutes && s.op == Removed && s.route.metric == peerMetric {
			continue
		}
		r.apply(s)
	}
	return blocked, nil
}

// standing leaves out the peer routes outside the network to which the host has another way, whatever its metric: weft
// does not take a network away from the host. It returns what is left, and the foreign routes. Default routes are no way
// of their own, and narrower ones have the host's packets anyway.
func (r *reconcile) standing(peers []route, ours func(route) bool) (left, standing []route) {
	for _, p := range peers {
		foreign := slices.IndexFunc(r.routes, func(have route) bool {
			return have.prefix == p.prefix && !ours(have) && have.link != r.device.index
		})
		if foreign < 0 || within(p.prefix, r.want.Network) {
			left = append(left, p)
			continue
		}
		standing = append(standing, r.routes[foreign])
	}
	return left, standing
}

// peersFirst moves the removal of unreachable routes behind everything else.
func peersFirst(steps []step) []step {
	var first, last []step
	for _, s := range steps {
		if s.op == Removed && s.route.kind != unix.RTN_UNICAST {
			last = append(last, s)
			continue
		}
		first = append(first, s)
	}
	return append(first, last...)
}

// list reads the main table, unless nothing happened since it was read.
func (r *reconcile) list() (err error) {
	if !r.fresh {
		r.routes, err = r.host.routes()
		r.fresh = err == nil
	}
	return err
}

func (r *reconcile) apply(s step) {
	what := s.route.text(r.want.Device)
	if err := r.host.apply(s); err != nil {
		r.faults.add(explainFor(s.route.prefix.Addr(), verb[s.op]+" route "+what, err))
		return
	}
	r.note(s.op, KindRoute, what)
}

var verb = map[Op]string{Added: "add", Changed: "change", Removed: "remove"}

// changed notes a change of the device if err is nil, and explains err otherwise.
func (r *reconcile) changed(op Op, kind Kind, what string, err error) error {
	if err != nil {
		return explain("set "+what, err)
	}
	r.note(op, kind, what)
	return nil
}

// note records a change; whatever it was, the table that was read may be out of date.
func (r *reconcile) note(op Op, kind Kind, what string) {
	r.fresh = false
	r.changes = append(r.changes, Change{op, kind, what})
	r.host.log.Debug("kernel.changed", "op", op, "kind", kind, "what", what)
}

// conflict reports the first route that takes something away from the overlay: one inside the network, or a blocked one.
// Interfaces are listed only when there is something to report.
func (r *reconcile) conflict(blocked []route) error {
	c := checker{network: r.want.Network, own: r.want.Own, lans: r.want.LANs, device: r.device.index}
	if c.first(nil, r.routes) == nil && len(blocked) == 0 {
		return nil
	}
	var err error
	if c.links, err = r.host.links(); err != nil {
		return err
	}
	if err := c.first(nil, r.routes); err != nil || len(blocked) == 0 {
		return err
	}
	b := blocked[0]
	return &ConflictError{
		Kind: KindRoute, Foreign: b.prefix, Interface: c.links[b.link].name, Network: b.prefix, LAN: !within(b.prefix, r.want.Network),
	}
}
