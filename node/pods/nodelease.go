package pods

import (
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"slices"

	"github.com/weftnet/weft/cni-shim/lease"
)

// Own is what the node is now.
type Own struct {
	Node    string
	Network []netip.Prefix
	Subnets []netip.Prefix // it owns them, and new pods get addresses of them
	Device  string
	MTU     int

	// Waiting says why pods cannot start yet; empty: they can, because subnets, device, addresses and routes are there.
	Waiting string

	// Lost: the subnets are another node's, so that a lease of them is wrong.
	Lost bool
}

// LeaseChange is what became of the lease.
type LeaseChange int

// What SetLease did.
const (
	LeaseAsItWas   LeaseChange = iota
	LeaseWritten               // because it was not there, or something in it changed
	LeaseRestored              // because somebody had removed or changed what was written in this run
	LeaseWithdrawn             // because the subnets are another node's
)

// SetLease makes the lease say what own does. While the node waits, a lease of this boot stays as it is, unless the subnets are lost. The
// error is one line; the next call tries again.
func (k *Keeper) SetLease(own Own) (LeaseChange, error) {
	if own.Waiting != "" {
		return k.wait(own)
	}
	want := k.leaseOf(own)
	if len(want.Subnets) == 0 {
		own.Waiting = fmt.Sprintf("no pod has room in %v: the node needs a larger subnet (IPv6 also an MTU of %d at least)", own.Subnets, minMTU6)
		return k.wait(own)
	}
	k.want(want)
	if have, err := lease.Read(k.runDir); err == nil && reflect.DeepEqual(have, want) {
		k.written(want)
		return LeaseAsItWas, nil
	}
	if err := lease.Write(k.runDir, want); err != nil {
		k.note(func(r *Report) { r.Leased, r.Reason = false, err.Error() })
		return LeaseAsItWas, err
	}
	change := LeaseWritten
	if reflect.DeepEqual(k.last, want) {
		change = LeaseRestored
	}
	k.written(want)
	return change, nil
}

func (k *Keeper) written(l lease.Lease) {
	k.last = l
	k.note(func(r *Report) { r.Leased, r.Reason = true, "" })
}

// wait notes why there is no new lease, and takes away one that is wrong.
func (k *Keeper) wait(own Own) (LeaseChange, error) {
	change := LeaseAsItWas
	if _, err := os.Lstat(lease.Path(k.runDir)); own.Lost && err == nil {
		if err := lease.Remove(k.runDir); err != nil {
			return change, err
		}
		change, k.last = LeaseWithdrawn, lease.Lease{}
	}
	_, err := lease.Read(k.runDir)
	k.note(func(r *Report) {
		if r.Leased, r.Reason = err == nil, ""; !r.Leased {
			r.Reason = own.Waiting
		}
	})
	return change, nil
}

// minMTU6 is what IPv6 asks for at least (RFC 8200, section 5); below it the kernel has no IPv6 on an interface.
const minMTU6 = 1280

// leaseOf is the lease of what the node is. Subnets in which no pod has room are left out.
func (k *Keeper) leaseOf(own Own) lease.Lease {
	l := lease.Lease{
		Version: lease.Version, BootID: k.boot, Node: own.Node, Network: slices.Clone(own.Network), Device: own.Device, MTU: own.MTU,
		GSOMaxSize: k.gsoOf(own.Device), StateDir: k.dir,
	}
	for _, s := range own.Subnets {
		if s.Bits() <= s.Addr().BitLen()-2 && (s.Addr().Is4() || own.MTU >= minMTU6) {
			l.Subnets = append(l.Subnets, s)
		}
	}
	return l
}

// gsoOf is the device's gso_max_size: pods with the same send superpackets that it takes whole. Keep forgets it, so that it is asked for
// every few seconds. A kernel that does not say leaves pods as they are.
func (k *Keeper) gsoOf(device string) int {
	if k.gso == 0 {
		if size, err := k.host.GSOMaxSize(device); err == nil {
			k.gso = size
		}
	}
	return k.gso
}
