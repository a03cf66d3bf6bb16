package encap

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// UDPOptions say how to open the port.
type UDPOptions struct {
	Listen string // ":9338" for all addresses of both families, or one address and port
	GSO    Knob   // send trains in one piece (UDP_SEGMENT)
	GRO    Knob   // receive trains in one piece (UDP_GRO)
	Buffer int    // asked of the kernel for each direction, in bytes; default 8 MiB
}

// UDPPort is the port: UDP sockets for both families where the kernel has them.
type UDPPort struct {
	conns    []*UDPConn
	lanes    []Conn // the same
	port     uint16
	gso      *segmentation
	features []Feature
	rcv, snd int
}

var _ Port = (*UDPPort)(nil)

// ListenUDP opens the port. The error wraps ErrInUse if another process has it.
func ListenUDP(o UDPOptions) (*UDPPort, error) {
	if err := errors.Join(o.GSO.check("gso"), o.GRO.check("gro")); err != nil {
		return nil, err
	}
	at, err := parseListen(o.Listen)
	if err != nil {
		return nil, err
	}
	if o.Buffer == 0 {
		o.Buffer = defaultBuffer
	}
	u := &UDPPort{gso: &segmentation{}}
	if err := u.open(at, o); err != nil {
		return nil, listenError("UDP", o.Listen, err)
	}
	return u, nil
}

// open opens the sockets.
func (u *UDPPort) open(at netip.AddrPort, o UDPOptions) error {
	s, is6, err := u.listen(at, o)
	if err != nil {
		return err
	}
	if u.port, err = s.localPort(); err != nil {
		s.close()
		return fmt.Errorf("read the port's number: %w", err)
	}
	c := newUDPConn(s, s, is6, u.gso)
	u.conns, u.lanes = append(u.conns, c), append(u.lanes, c)
	return nil
}

// listen opens the socket that is bound to the port. Where the kernel has no IPv6, all addresses are those of IPv4.
func (u *UDPPort) listen(at netip.AddrPort, o UDPOptions) (s *socket, is6 bool, err error) {
	is6 = at.Addr().Is6()
	s, err = bindSocket(at, func(fd int) error { return u.configure(fd, is6, o) })
	if err != nil && is6 && at.Addr().IsUnspecified() && lacksIPv6(err) {
		is6 = false
		at = netip.AddrPortFrom(netip.IPv4Unspecified(), at.Port())
		s, err = bindSocket(at, func(fd int) error { return u.configure(fd, is6, o) })
	}
	return s, is6, err
}

func lacksIPv6(err error) bool {
	return errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.EPROTONOSUPPORT)
}

// Lanes implements Port.
func (u *UDPPort) Lanes() []Conn { return u.lanes }

// Port implements Port.
func (u *UDPPort) Port() uint16 { return u.port }

// Features implements Port.
func (u *UDPPort) Features() []Feature { return u.features }

// Buffers implements Port.
func (u *UDPPort) Buffers() (receive, send int) { return u.rcv, u.snd }

// Overflow implements Port, by SO_RXQ_OVFL.
func (u *UDPPort) Overflow() (n uint64) {
	for _, c := range u.conns {
		n += c.overflow.Load()
	}
	return n
}

// Renew implements Port: trains are tried again where the kernel has refused them.
func (u *UDPPort) Renew() { u.gso.renew() }

// Close implements Port. It may be called again, and while other calls run.
func (u *UDPPort) Close() error {
	for _, c := range u.conns {
		c.close()
	}
	return nil
}
