package pods

import (
	"net/netip"

	"github.com/weftnet/weft/cni-shim/ipam"
	"github.com/weftnet/weft/cni-shim/podnet"
	"github.com/weftnet/weft/kernel"
)

// Bridge is the bridge that the daemon keeps: that of the plugin, if its configuration names no other.
const Bridge = "weftbr0"

// Host is what pods need of the host's network stack; NewHost makes the real one. What names a bridge there means Bridge.
type Host interface {
	Bridge() (podnet.BridgeState, error)
	SetBridge(podnet.Bridge) (kernel.Changes, error)
	DropGateway(address netip.Prefix) error
	SetHostRoutes(to []netip.Addr) (kernel.Changes, error)
	RemoveBridge() error
	HostEnds() (map[string]podnet.HostEndState, error)
	Interfaces() (map[string]bool, error)
	Replug(podnet.Pod) error
	GSOMaxSize(device string) (int, error)

	SetGuard(members func() ([]podnet.Member, error)) (kernel.Changes, error)
	GuardDamaged() (bool, error) // since the last SetGuard
	ClearGuard() error
}

// NewHost is the network namespace of whoever calls its methods. It has sockets only while one of them runs.
func NewHost() Host { return &realHost{podnet.NewGuard(Bridge)} }

type realHost struct{ guard *podnet.Guard }

// opened calls f with the host's network stack.
func opened[T any](f func(*podnet.Host) (T, error)) (result T, err error) {
	h, err := podnet.Open()
	if err != nil {
		return result, err
	}
	defer h.Close()
	return f(h)
}

func tried(f func(*podnet.Host) error) error {
	_, err := opened(func(h *podnet.Host) (struct{}, error) { return struct{}{}, f(h) })
	return err
}

// Bridge implements Host.
func (*realHost) Bridge() (podnet.BridgeState, error) {
	return opened(func(h *podnet.Host) (podnet.BridgeState, error) { return h.Bridge(Bridge) })
}

// SetBridge implements Host.
func (*realHost) SetBridge(want podnet.Bridge) (kernel.Changes, error) {
	return opened(func(h *podnet.Host) (kernel.Changes, error) { return h.SetBridge(want) })
}

// DropGateway implements Host.
func (*realHost) DropGateway(a netip.Prefix) error {
	return tried(func(h *podnet.Host) error { return h.DropGateway(Bridge, a) })
}

// SetHostRoutes implements Host.
func (*realHost) SetHostRoutes(to []netip.Addr) (kernel.Changes, error) {
	return opened(func(h *podnet.Host) (kernel.Changes, error) { return h.SetHostRoutes(Bridge, to) })
}

// RemoveBridge implements Host.
func (*realHost) RemoveBridge() error {
	return tried(func(h *podnet.Host) error { return h.RemoveBridge(Bridge) })
}

// HostEnds implements Host.
func (*realHost) HostEnds() (map[string]podnet.HostEndState, error) {
	return opened(func(h *podnet.Host) (map[string]podnet.HostEndState, error) { return h.HostEndStates() })
}

// Interfaces implements Host.
func (*realHost) Interfaces() (map[string]bool, error) { return ipam.Interfaces() }

// Replug implements Host.
func (*realHost) Replug(p podnet.Pod) error {
	return tried(func(h *podnet.Host) error { return h.Replug(p) })
}

// GSOMaxSize implements Host.
func (*realHost) GSOMaxSize(device string) (int, error) {
	return opened(func(h *podnet.Host) (int, error) { return h.GSOMaxSize(device) })
}

// SetGuard implements Host.
func (r *realHost) SetGuard(members func() ([]podnet.Member, error)) (kernel.Changes, error) {
	return r.guard.Set(members)
}

// GuardDamaged implements Host.
func (r *realHost) GuardDamaged() (bool, error) { return r.guard.Damaged() }

// ClearGuard implements Host.
func (r *realHost) ClearGuard() error { return r.guard.Clear() }
