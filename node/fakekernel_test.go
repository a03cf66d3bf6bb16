package node

import (
	"context"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"sync"
	"syscall"

	"github.com/weftnet/weft/encap/simnet"
	"github.com/weftnet/weft/kernel"
)

// fakeKernel is the network stack of a host: it remembers what was asked for, across runs of the node.
type fakeKernel struct {
	host *simnet.Host

	mu       sync.Mutex // guards what follows
	mtu      kernel.UnderlayMTU
	plugged  bool // the device exists
	now      kernel.State
	guarded  []netip.Prefix // the unreachable networks, in the order in which they came
	sets     int
	refusing error          // of Set
	conflict error          // of CheckNetwork
	cut      []netip.Prefix // networks behind the host that it does not reach
	occupied string         // the interface with addresses of the host's subnets; empty: none
	changed  func()
}

var _ Kernel = (*fakeKernel)(nil)

// Set implements Kernel.
func (k *fakeKernel) Set(want kernel.State) (kernel.Changes, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.sets++
	for _, p := range want.Network {
		if !slices.Contains(k.guarded, p) {
			k.guarded = append(k.guarded, p)
		}
	}
	switch {
	case want.Device == "" || !k.plugged:
		return nil, fmt.Errorf("kernel: set: %w", kernel.ErrNoDevice)
	case k.refusing != nil:
		return nil, k.refusing
	case reflect.DeepEqual(k.now, want):
		return nil, nil
	}
	k.now = want
	return kernel.Changes{{Op: kernel.Changed, Kind: kernel.KindRoute, What: fmt.Sprint(want)}}, nil
}

// Watch implements Kernel.
func (k *fakeKernel) Watch(ctx context.Context, changed func()) error {
	k.mu.Lock()
	k.changed = changed
	k.mu.Unlock()
	<-ctx.Done()
	return nil
}

// CheckNetwork implements Kernel.
func (k *fakeKernel) CheckNetwork(_ []netip.Prefix, _ string, _, _ []netip.Prefix) error {
	return k.conflict
}

// Unreached implements Kernel.
func (k *fakeKernel) Unreached(lans []netip.Prefix) []netip.Prefix {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(lans), func(p netip.Prefix) bool { return !slices.Contains(k.cut, p) })
}

// cutOff makes the host lose, or get back, its own way to networks behind it.
func (k *fakeKernel) cutOff(lans ...netip.Prefix) {
	k.mu.Lock()
	k.cut = lans
	k.mu.Unlock()
	k.notify()
}

// Egress implements Kernel: what is asked for leads into the overlay, or nowhere; other packets leave from the first address of the
// family.
func (k *fakeKernel) Egress(to netip.Addr) (kernel.Egress, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	holds := func(p netip.Prefix) bool { return p.Contains(to) }
	switch {
	case slices.ContainsFunc(k.now.Routes, func(r kernel.Route) bool { return holds(r.Prefix) }):
		return kernel.Egress{}, fmt.Errorf("kernel: egress to %v: %w (weft0)", to, kernel.ErrOverlay)
	case slices.Contains(k.now.Addresses, to):
		return kernel.Egress{Source: to, Interface: "lo", MTU: 65536}, nil
	case slices.ContainsFunc(k.now.Own, holds), slices.ContainsFunc(k.guarded, holds):
		return kernel.Egress{}, fmt.Errorf("kernel: egress to %v: %w", to, syscall.EHOSTUNREACH)
	}
	for _, a := range k.host.Addrs() {
		if !to.IsValid() || a.Is4() == to.Is4() {
			return kernel.Egress{Source: a, Interface: "eth0", MTU: k.mtu, Why: "source address of the default route, on eth0"}, nil
		}
	}
	return kernel.Egress{}, kernel.ErrNoAddress
}

// Underlay implements Kernel.
func (k *fakeKernel) Underlay(string, []netip.Prefix) (u kernel.Underlay, err error) {
	u.Default, _ = k.Egress(netip.Addr{})
	u.IPv4, _ = k.Egress(netip.IPv4Unspecified())
	u.IPv6, _ = k.Egress(netip.IPv6Unspecified())
	u.Addresses = k.host.Addrs()
	return u, nil
}

// plug says whether the device exists.
func (k *fakeKernel) plug(there bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.plugged = there
}

func (k *fakeKernel) setMTU(mtu kernel.UnderlayMTU) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.mtu = mtu
}

func (k *fakeKernel) has() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.plugged
}

func (k *fakeKernel) refuse(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.refusing = err
}

// state is what was asked for last.
func (k *fakeKernel) state() kernel.State {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.now
}

// notify tells the node that addresses or routes changed.
func (k *fakeKernel) notify() {
	k.mu.Lock()
	changed := k.changed
	k.mu.Unlock()
	if changed != nil {
		changed()
	}
}

// InUse implements Kernel.
func (k *fakeKernel) InUse(_ []netip.Prefix, except ...string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.occupied != "" && !slices.Contains(except, k.occupied)
}

// occupy puts an interface into the subnets of the host, which is none of weft's; no name: none.
func (k *fakeKernel) occupy(name string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.occupied = name
}
