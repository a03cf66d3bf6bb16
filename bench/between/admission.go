package between

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
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
	err   error // why peers are not known
	asked time.Time
}

func newAdmission(o ServeOptions) *admission {
	a := &admission{allow: o.Allow}
	if o.Socket != "" {
		a.ask = api.NewClient(o.Socket).Status
	}
	return a
}

// who is the client at addr: a peer with that overlay address of its own, or addr itself when its prefix is allowed; nil when
// the client may not measure. An error says that the daemon could not be asked.
func (a *admission) who(ctx context.Context, addr netip.Addr) (*guest, error) {
	peers, err := a.current(ctx)
	if p := peerAt(peers, addr); p != nil {
		g := peerGuest(*p)
		return &g, nil
	}
	for _, p := range a.allow {
		if p.Contains(addr) {
			return &guest{name: addr.String(), from: []netip.Addr{addr}}, nil
		}
	}
	return nil, err
}

// current are the peers of now, or of a moment ago. That the daemon cannot be asked is remembered as long.
func (a *admission) current(ctx context.Context) ([]api.Peer, error) {
	if a.ask == nil {
		return nil, nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.asked.IsZero() && time.Since(a.asked) < peersFor {
		return a.peers, a.err
	}
	status, err := a.ask(ctx)
	if ctx.Err() != nil { // the end of the server says nothing of the daemon
		return nil, ctx.Err()
	}
	if a.asked = time.Now(); err != nil {
		a.peers, a.err = nil, fmt.Errorf("between: who are the peers: %w", err)
	} else {
		a.peers, a.err = status.Peers, nil
	}
	return a.peers, a.err
}

// peerAt is the peer that is reached and has addr as its own; nil when there is none. What is behind a peer, such as its pods,
// is another's. A peer that is not reached has no routes in the kernel, so that a packet with its address may have come past
// weft.
func peerAt(peers []api.Peer, addr netip.Addr) *api.Peer {
	for i, p := range peers {
		if p.State == api.StateUp && slices.Contains(p.Addrs, addr) {
			return &peers[i]
		}
	}
	return nil
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
