package simnet

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/weftnet/weft/encap"
)

// Host is one machine of the network.
type Host struct {
	net      *Network
	addrs    []netip.Addr
	udp      map[uint16]*udpPort
	tcp      map[uint16]*listener
	conns    map[*tcpConn]struct{}
	nextPort uint16
}

var _ encap.Dialer = (*Host)(nil)

// Addrs are the host's addresses.
func (h *Host) Addrs() []netip.Addr {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	return append([]netip.Addr(nil), h.addrs...)
}

// Readdress gives the host these addresses in place of those that it has. Its sockets stay open.
func (h *Host) Readdress(addrs ...netip.Addr) {
	n := h.net
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, a := range h.addrs {
		delete(n.owners, a)
	}
	for _, a := range addrs {
		if n.owners[a] != nil {
			panic(fmt.Sprintf("simnet: two hosts with the address %s", a))
		}
		n.owners[a] = h
	}
	h.addrs = append([]netip.Addr(nil), addrs...)
	n.announce()
}

// ListenUDP opens a port of one lane on all addresses; 0 takes a free one. It panics if the port is taken.
func (h *Host) ListenUDP(port uint16) encap.Port { return h.ListenLanes(port, 1) }

// ListenLanes opens a port of several lanes. Each but the first sends from a port of its own.
func (h *Host) ListenLanes(port uint16, lanes int) encap.Port {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	taken := func(p uint16) bool { return h.udp[p] != nil }
	from := []uint16{h.freePort(port, taken)}
	for len(from) < lanes {
		from = append(from, h.freePort(0, taken))
	}
	p := newUDPPort(h, from)
	h.udp[from[0]] = p
	return p
}

// ListenTCP opens a port on all addresses; 0 takes a free one. It panics if the port is taken.
func (h *Host) ListenTCP(port uint16) net.Listener {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	port = h.freePort(port, func(p uint16) bool { return h.tcp[p] != nil })
	l := newListener(h, port)
	h.tcp[port] = l
	return l
}

func (h *Host) freePort(port uint16, taken func(uint16) bool) uint16 {
	if port != 0 {
		if taken(port) {
			panic(fmt.Sprintf("simnet: port %d is in use", port))
		}
		return port
	}
	for taken(h.nextPort) {
		h.nextPort++
	}
	h.nextPort++
	return h.nextPort - 1
}

// Crash closes all sockets of the host as a kill -9 does: listeners are gone, connections are reset.
func (h *Host) Crash() {
	for _, c := range h.sockets() {
		c()
	}
}

func (h *Host) sockets() (closers []func()) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	for _, u := range h.udp {
		closers = append(closers, func() { u.Close() })
	}
	for _, l := range h.tcp {
		closers = append(closers, func() { l.Close() })
	}
	for c := range h.conns {
		closers = append(closers, c.reset)
	}
	return closers
}

// source is the address to send from: the wanted one if it is ours, else the first of the family. mu is held.
func (h *Host) source(to, wanted netip.Addr) (netip.Addr, bool) {
	if wanted.IsValid() && h.net.owners[wanted] == h {
		return wanted, true
	}
	for _, a := range h.addrs {
		if a.Is4() == to.Is4() {
			return a, true
		}
	}
	return netip.Addr{}, false
}

// DialContext opens a TCP connection to an address and port, in two delays. While the path is cut it waits. For network
// "udp" it opens a socket that only sends.
func (h *Host) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, fmt.Errorf("simnet: dial %s: %w", address, err)
	}
	if network == "udp" {
		return &dialedUDP{port: h.ListenUDP(0), to: to}, nil
	}
	from, err := h.waitPath(ctx, to)
	if err != nil {
		return nil, fmt.Errorf("simnet: dial %s %s: %w", network, to, err)
	}
	conn, err := h.connect(from, to)
	if err != nil {
		return nil, fmt.Errorf("simnet: dial %s %s: %w", network, to, err)
	}
	return conn, nil
}

// waitPath returns the source address once a packet has gone to and fro.
func (h *Host) waitPath(ctx context.Context, to netip.AddrPort) (netip.Addr, error) {
	n := h.net
	for {
		n.mu.Lock()
		from, ok := h.source(to.Addr(), netip.Addr{})
		up, changed, delay := n.pathUp(from, to.Addr()), n.changed, n.opts.Delay
		n.mu.Unlock()
		switch {
		case ctx.Err() != nil:
			return from, ctx.Err()
		case !ok:
			return from, syscall.ENETUNREACH
		case up:
			return from, pause(ctx, 2*delay)
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	if d == 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// connect makes both ends of a connection and hands one to the listener.
func (h *Host) connect(from netip.Addr, to netip.AddrPort) (net.Conn, error) {
	n := h.net
	n.mu.Lock()
	defer n.mu.Unlock()
	peer := n.owners[to.Addr()]
	if peer == nil || peer.tcp[to.Port()] == nil {
		return nil, syscall.ECONNREFUSED
	}
	port := h.nextPort
	h.nextPort++
	ours, theirs := newConnPair(h, peer, netip.AddrPortFrom(from, port), to)
	select {
	case peer.tcp[to.Port()].backlog <- theirs:
	default:
		return nil, syscall.ECONNREFUSED
	}
	h.conns[ours], peer.conns[theirs] = struct{}{}, struct{}{}
	return ours, nil
}
