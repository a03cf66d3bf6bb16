package simnet

import (
	"fmt"
	"net"
	"net/netip"
)

// listener is a TCP port.
type listener struct {
	host    *Host
	port    uint16
	backlog chan *tcpConn
	done    chan struct{} // closed by Close
	closed  bool          // guarded by the network's mutex
}

func newListener(h *Host, port uint16) *listener {
	return &listener{host: h, port: port, backlog: make(chan *tcpConn, 128), done: make(chan struct{})}
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case <-l.done:
		return nil, fmt.Errorf("simnet: accept: %w", net.ErrClosed)
	default:
	}
	select {
	case c := <-l.backlog:
		return c, nil
	case <-l.done:
		return nil, fmt.Errorf("simnet: accept: %w", net.ErrClosed)
	}
}

// Close implements net.Listener. Connections that nobody has accepted are reset.
func (l *listener) Close() error {
	if !l.shut() {
		return nil
	}
	for {
		select {
		case c := <-l.backlog:
			c.reset()
		default:
			return nil
		}
	}
}

func (l *listener) shut() bool {
	l.host.net.mu.Lock()
	defer l.host.net.mu.Unlock()
	if l.closed {
		return false
	}
	l.closed = true
	close(l.done)
	delete(l.host.tcp, l.port)
	return true
}

// Addr implements net.Listener.
func (l *listener) Addr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.IPv6Unspecified(), l.port))
}
