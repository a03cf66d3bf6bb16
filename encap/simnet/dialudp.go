package simnet

import (
	"net"
	"net/netip"
	"time"

	"github.com/weftnet/weft/encap"
)

// dialedUDP is a UDP socket that sends to one endpoint, from a port of its own. Nothing can be read from it.
type dialedUDP struct {
	port encap.Port
	to   netip.AddrPort
}

// Write sends one datagram; as with UDP, nobody says whether it arrives.
func (c *dialedUDP) Write(p []byte) (int, error) {
	train := encap.Train{To: encap.Endpoint{Addr: c.to}, Bufs: [][]byte{p}, Size: len(p)}
	if r := c.port.Lanes()[0].Send([]encap.Train{train}); r.Err != nil {
		return 0, r.Err
	}
	return len(p), nil
}

// Read implements net.Conn.
func (c *dialedUDP) Read([]byte) (int, error) { return 0, net.ErrClosed }

// Close implements net.Conn.
func (c *dialedUDP) Close() error { return c.port.Close() }

// LocalAddr implements net.Conn.
func (c *dialedUDP) LocalAddr() net.Addr {
	return net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.IPv4Unspecified(), c.port.Port()))
}

// RemoteAddr implements net.Conn.
func (c *dialedUDP) RemoteAddr() net.Addr { return net.UDPAddrFromAddrPort(c.to) }

// SetDeadline implements net.Conn: nothing waits.
func (c *dialedUDP) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.Conn.
func (c *dialedUDP) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.Conn.
func (c *dialedUDP) SetWriteDeadline(time.Time) error { return nil }
