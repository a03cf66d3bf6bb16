package between

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/weftnet/weft/node/api"
)

// lookupTime bounds the question to the DNS.
const lookupTime = 5 * time.Second

// way is what a HOST:PORT comes to.
type way struct {
	node    string         // name of the local node; empty: there is no daemon
	peer    string         // name of the peer; empty: the host is none
	control netip.AddrPort // of the control connection: over the first path
	paths   []*Path        // overlay and underlay, or direct
}

// resolve finds the paths to the host that o names, with what the local daemon knows.
func resolve(ctx context.Context, o Options) (*way, error) {
	host, port, err := splitAddress(o.Address)
	if err != nil {
		return nil, err
	}
	status, err := daemonStatus(ctx, o.Socket)
	if err != nil {
		return nil, err
	}
	peer, addr, err := find(ctx, host, status)
	if err != nil {
		return nil, err
	}
	w := &way{node: status.Node.Name}
	if peer == nil {
		w.paths = []*Path{newPath(Direct, addr)}
	} else if err := w.through(peer, addr); err != nil {
		return nil, err
	}
	first := w.paths[0]
	if first.Unavailable != "" {
		return nil, fmt.Errorf("between: %s", first.Unavailable)
	}
	w.control = netip.AddrPortFrom(first.Address, port)
	return w, nil
}

// daemonStatus is the local daemon's state; an empty one when there is no daemon.
func daemonStatus(ctx context.Context, socket string) (*api.Status, error) {
	if socket == "" {
		return &api.Status{}, nil
	}
	status, err := api.NewClient(socket).Status(ctx)
	if errors.Is(err, api.ErrNotRunning) {
		return &api.Status{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("between: who are the peers: %w", err)
	}
	clean(status)
	return status, nil
}

// clean makes what other nodes have chosen fit for a terminal.
func clean(status *api.Status) {
	status.Node.Name = printable(status.Node.Name)
	for i := range status.Peers {
		p := &status.Peers[i]
		p.Name, p.Via, p.Reason, p.State = printable(p.Name), printable(p.Via), printable(p.Reason), printable(p.State)
	}
}

// find is the peer that host names, or nil and the address of a host that is none. For a peer, addr is valid when host is an
// address in the overlay.
func find(ctx context.Context, host string, status *api.Status) (peer *api.Peer, addr netip.Addr, err error) {
	named, err := only(host, status.Peers, func(p api.Peer) bool { return p.Name == host })
	if named != nil || err != nil {
		return named, netip.Addr{}, err
	}
	addrs, err := addresses(ctx, host, status)
	if err != nil {
		return nil, netip.Addr{}, err
	}
	for _, addr := range addrs {
		if peer, err := only(host, status.Peers, func(p api.Peer) bool { return owns(p, addr) }); peer != nil || err != nil {
			return peer, addr, err
		}
		if peer, err := only(host, status.Peers, func(p api.Peer) bool { return endpoint(p) == addr }); peer != nil || err != nil {
			return peer, netip.Addr{}, err
		}
	}
	return nil, addrs[0], nil
}

// only is the one peer of which is holds, or nil. Several are an error: a NAT may stand before them.
func only(host string, peers []api.Peer, is func(api.Peer) bool) (*api.Peer, error) {
	var found []*api.Peer
	var names []string
	for i := range peers {
		if is(peers[i]) {
			found, names = append(found, &peers[i]), append(names, peers[i].Name)
		}
	}
	switch len(found) {
	case 0:
		return nil, nil
	case 1:
		return found[0], nil
	}
	return nil, fmt.Errorf("between: %s may be any of the peers %s: name one, or its overlay address", host, strings.Join(names, ", "))
}

// addresses are those of a host, IPv4 first; there is at least one.
func addresses(ctx context.Context, host string, status *api.Status) ([]netip.Addr, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{addr.Unmap()}, nil
	}
	bounded, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupNetIP(bounded, "ip", host)
	if err != nil || len(addrs) == 0 {
		return nil, fmt.Errorf("between: %s is neither a peer (%s) nor a host that the DNS knows", host, known(status))
	}
	for i := range addrs {
		addrs[i] = addrs[i].Unmap()
	}
	slices.SortStableFunc(addrs, func(a, b netip.Addr) int { return a.BitLen() - b.BitLen() })
	return addrs, nil
}

// known lists the peers, for an error.
func known(status *api.Status) string {
	if status.Node.Name == "" {
		return "weft does not run here"
	}
	names := make([]string, 0, len(status.Peers))
	for _, p := range status.Peers {
		names = append(names, p.Name)
	}
	if len(names) == 0 {
		return "there is none"
	}
	return "known are " + strings.Join(names, ", ")
}

// through makes the two paths to a peer; overlay is the address in the overlay that was named, if one was.
func (w *way) through(p *api.Peer, overlay netip.Addr) error {
	if p.State != api.StateUp {
		return fmt.Errorf("between: peer %s is %s: %s", p.Name, p.State, p.Reason)
	}
	if !overlay.IsValid() {
		if len(p.Addrs) == 0 {
			return fmt.Errorf("between: peer %s has no overlay address yet", p.Name)
		}
		overlay = p.Addrs[0]
		if i := slices.IndexFunc(p.Addrs, netip.Addr.Is4); i >= 0 {
			overlay = p.Addrs[i]
		}
	}
	w.peer = p.Name
	w.paths = []*Path{newPath(Overlay, overlay), underlay(p)}
	return nil
}

// underlay is the straight path to a peer, if there is one.
func underlay(p *api.Peer) *Path {
	addr := endpoint(*p)
	switch {
	case p.Via != "":
		return &Path{Name: Underlay, Unavailable: fmt.Sprintf("%s is reached through the relay %s", p.Name, p.Via)}
	case !addr.IsValid():
		return &Path{Name: Underlay, Unavailable: fmt.Sprintf("no endpoint of %s is known", p.Name)}
	}
	return newPath(Underlay, addr)
}

// endpoint is the peer's underlay address, without a zone; invalid when none is known.
func endpoint(p api.Peer) netip.Addr {
	e, err := netip.ParseAddrPort(p.Endpoint)
	if err != nil {
		return netip.Addr{}
	}
	return e.Addr().Unmap().WithZone("")
}
