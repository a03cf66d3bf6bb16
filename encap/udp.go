package encap

import "net/netip"

// UDPPort is the port: UDP sockets for both families where the kernel has them. Each lane but the first has two, one that
// shares the port and one to send from.
type UDPPort struct {
	options UDPOptions
	at      netip.AddrPort
	conns   []*UDPConn
	lanes   []Conn // the same
	gso     *segmentation
	granted granted
}

var _ Port = (*UDPPort)(nil)

// ListenUDP opens the port. The error wraps ErrInUse if another process has it.
func ListenUDP(o UDPOptions) (*UDPPort, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	at, err := parseListen(o.Listen)
	if err != nil {
		return nil, err
	}
	u := &UDPPort{options: o, at: at, gso: &segmentation{}}
	if err := u.openLanes(); err != nil {
		u.Close()
		return nil, listenError("UDP", o.Listen, err)
	}
	if u.granted.segments {
		u.gso.enable(runningKernel())
	}
	return u, nil
}

// Lanes implements Port.
func (u *UDPPort) Lanes() []Conn { return u.lanes }

// Port implements Port.
func (u *UDPPort) Port() uint16 { return u.at.Port() }

// Features implements Port.
func (u *UDPPort) Features() []Feature { return u.granted.features }

// Buffers implements Port.
func (u *UDPPort) Buffers() (receive, send int) { return u.granted.receive, u.granted.send }

// Overflow implements Port, by SO_RXQ_OVFL.
func (u *UDPPort) Overflow() (n uint64) {
	for _, c := range u.conns {
		n += c.overflow.Load()
	}
	return n
}

// Renew implements Port: trains are tried again where the kernel has refused them.
func (u *UDPPort) Renew() { u.gso.renew() }

// Close implements Port. It may be called again, and while other calls run; it returns when they have ended and the port is
// free for others.
func (u *UDPPort) Close() error {
	for _, c := range u.conns {
		c.close()
	}
	for _, c := range u.conns {
		c.awaitClosed()
	}
	return nil
}
