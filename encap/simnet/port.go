package simnet

import "github.com/weftnet/weft/encap"

// udpPort is a port. Its state is guarded by the network's mutex.
type udpPort struct {
	host   *Host
	number uint16
	conns  []*udpConn
	lanes  []encap.Conn  // the same
	done   chan struct{} // closed by Close
	closed bool
	lost   uint64 // datagrams that found the queue full
}

var _ encap.Port = (*udpPort)(nil)

// newUDPPort makes a port whose lanes send from these port numbers; the first is its own.
func newUDPPort(h *Host, from []uint16) *udpPort {
	p := &udpPort{host: h, number: from[0], done: make(chan struct{})}
	for _, f := range from {
		c := &udpConn{port: p, from: f, wake: make(chan struct{}, 1)}
		p.conns, p.lanes = append(p.conns, c), append(p.lanes, c)
	}
	return p
}

// laneOf is the lane that a frame comes to: by its third byte, which is the sender's lane.
func (p *udpPort) laneOf(frame []byte) *udpConn {
	if len(frame) < 3 {
		return p.conns[0]
	}
	return p.conns[int(frame[2])%len(p.conns)]
}

// Lanes implements encap.Port.
func (p *udpPort) Lanes() []encap.Conn { return p.lanes }

// Control implements encap.Port: all frames come to the lanes.
func (p *udpPort) Control() encap.PolledConn { return nil }

// Port implements encap.Port.
func (p *udpPort) Port() uint16 { return p.number }

// Features implements encap.Port.
func (p *udpPort) Features() []encap.Feature { return nil }

// Buffers implements encap.Port.
func (p *udpPort) Buffers() (receive, send int) { return queueLen * 1500, queueLen * 1500 }

// Renew implements encap.Port: nothing is learned here.
func (p *udpPort) Renew() {}

// Overflow implements encap.Port.
func (p *udpPort) Overflow() uint64 {
	p.host.net.mu.Lock()
	defer p.host.net.mu.Unlock()
	return p.lost
}

// Close implements encap.Port.
func (p *udpPort) Close() error {
	p.host.net.mu.Lock()
	defer p.host.net.mu.Unlock()
	if !p.closed {
		p.closed = true
		close(p.done)
		delete(p.host.udp, p.number)
	}
	return nil
}
