package between

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/weftnet/weft/node/api"
)

// peersFor is how long the daemon's answer is used: a stranger who connects again and again costs the daemon one question in
// that time.
const peersFor = time.Second

// admission decides who may measure. It may be used by many goroutines.
type admission struct {
	allow []netip.Prefix
	ask   func(context.Context) (*api.Status, error) // nil: there is no daemon

	mu    sync.Mutex // guards what follows, and lets one goroutine ask at a time
	peers []api.Peer
	asked time.Time
}

func newAdmission(o ServeOptions) *admission {
	a := &admission{allow: o.Allow}
	if o.Socket != "" {
		a.ask = api.NewClient(o.Socket).Status
	}
	return a
}

// who names the client at addr: a peer's name, or addr itself when its prefix is allowed. It is empty when the client may not
// measure. An error says that the daemon could not be asked.
func (a *admission) who(ctx context.Context, addr netip.Addr) (string, error) {
	peers, err := a.current(ctx)
	if name := ownerOf(peers, addr); name != "" {
		return name, nil
	}
	for _, p := range a.allow {
		if p.Contains(addr) {
			return addr.String(), nil
		}
	}
	return "", err
}

// current are the peers of now, or of a moment ago.
func (a *admission) current(ctx context.Context) ([]api.Peer, error) {
	if a.ask == nil {
		return nil, nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.asked.IsZero() && time.Since(a.asked) < peersFor {
		return a.peers, nil
	}
	status, err := a.ask(ctx)
	if err != nil {
		a.peers, a.asked = nil, time.Time{}
		return nil, fmt.Errorf("between: who are the peers: %w", err)
	}
	a.peers, a.asked = status.Peers, time.Now()
	return a.peers, nil
}

// ownerOf names the peer that is reached and owns addr; empty when there is none. A peer that is not reached has no
// routes in the kernel, so that a packet with its address may have come past weft.
func ownerOf(peers []api.Peer, addr netip.Addr) string {
	for _, p := range peers {
		if p.State == api.StateUp && owns(p, addr) {
			return p.Name
		}
	}
	return ""
}

// owns reports whether addr is the peer's, or behind it.
func owns(p api.Peer, addr netip.Addr) bool {
	for _, a := range p.Addrs {
		if a == addr {
			return true
		}
	}
	for _, s := range p.Subnets {
		if s.Contains(addr) {
			return true
		}
	}
	return false
}
