package encap

import (
	"net/netip"

	"github.com/weftnet/weft/inherit"
)

// UDPPort is the port: UDP sockets for both families where the kernel has them. Each lane but the first has two, one that
// shares the port and one to send from; control has one that shares the port.
type UDPPort struct {
	options UDPOptions
	at      netip.AddrPort
	conns   []*UDPConn
	lanes   []Conn   // the same
	control *UDPConn // nil: there is none
	gso     *segmentation
	granted granted
}

var _ Port = (*UDPPort)(nil)

// ListenUDP opens the port. The error wraps ErrInUse if another process has it. With UDPOptions.Inherited it goes on with
// these sockets or fails with inherit.ErrRefused, and opens nothing: where one is refused, whoever holds them has to let go first.
func ListenUDP(o UDPOptions) (*UDPPort, error) {
	defer inherit.Close(o.Inherited)
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	at, err := parseListen(o.Listen)
	if err != nil {
		return nil, err
	}
	u := &UDPPort{options: o, at: at, gso: &segmentation{}}
	if err := u.takeLanes(); err != nil {
		u.Close()
		return nil, listenError("UDP", o.Listen, err)
	}
	if o.Control {
		u.openControl()
	}
	if u.granted.segments {
		u.gso.enable(runningKernel())
	}
	return u, nil
}

// Lanes implements Port.
func (u *UDPPort) Lanes() []Conn { return u.lanes }

// Control implements Port.
func (u *UDPPort) Control() PolledConn {
	if u.control == nil {
		return nil
	}
	return u.control
}

// all are the connections of lanes and control.
func (u *UDPPort) all() []*UDPConn {
	if u.control == nil {
		return u.conns
	}
	return append(u.conns[:len(u.conns):len(u.conns)], u.control)
}

// Port implements Port.
func (u *UDPPort) Port() uint16 { return u.at.Port() }

// Features implements Port.
func (u *UDPPort) Features() []Feature { return u.granted.features }

// Buffers implements Port.
func (u *UDPPort) Buffers() (receive, send int) { return u.granted.receive, u.granted.send }

// Overflow implements Port, by SO_RXQ_OVFL.
func (u *UDPPort) Overflow() (n uint64) {
	for _, c := range u.all() {
		n += c.overflow.Load()
	}
	return n
}

// Renew implements Port: trains are tried again where the kernel has refused them.
func (u *UDPPort) Renew() { u.gso.renew() }

// takeLanes goes on with the inherited sockets, or opens the port's own.
func (u *UDPPort) takeLanes() error {
	if len(u.options.Inherited) > 0 {
		return u.inheritLanes()
	}
	return u.openLanes()
}

// Descriptors are those of all sockets but the control socket, which ends with the port: that of the first lane, then for each
// other lane the one that receives and the one that sends. They are to be passed on, not used, and valid until Close.
func (u *UDPPort) Descriptors() []int {
	fds := make([]int, 0, 2*len(u.conns))
	for _, c := range u.conns {
		fds = append(fds, c.in.fd)
		if c.out != c.in {
			fds = append(fds, c.out.fd)
		}
	}
	return fds
}

// Keep makes Close leave the sockets fit for use: their descriptors have been passed on, and another process will go on with
// them. It is called once, before the port is used. The port is then not free after Close, and Close does not wake those who
// poll a descriptor of a connection themselves.
func (u *UDPPort) Keep() error {
	for _, c := range u.conns {
		if err := c.keep(); err != nil {
			return err
		}
	}
	return nil
}

// Close implements Port. It may be called again, and while other calls run; it returns when they have ended and, unless the
// sockets are kept, the port is free for others.
func (u *UDPPort) Close() error {
	for _, c := range u.all() {
		c.close()
	}
	for _, c := range u.all() {
		c.awaitClosed()
	}
	return nil
}
