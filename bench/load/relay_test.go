package load

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"
)

// relayed is a far end behind a path of the test's own: every datagram and connection goes through it.
type relayed struct {
	Far
	forward func(b []byte, out func([]byte)) // of a datagram to the far end
	back    func(b []byte, out func([]byte)) // of a datagram from the far end
	pipe    func(from, to net.Conn, up bool) // of a connection, until one side ends
}

func pass(b []byte, out func([]byte)) { out(b) }

// Start starts the job behind a relay of its own.
func (r relayed) Start(ctx context.Context, j Job) (Remote, error) {
	remote, err := r.Far.Start(ctx, j)
	if err != nil {
		return nil, err
	}
	if j.Kind == EchoUDP || j.Kind == SinkUDP || j.Kind == CheckUDP {
		return newUDPRelay(r, remote)
	}
	return newTCPRelay(r, remote)
}

// udpRelay forwards datagrams of one near end.
type udpRelay struct {
	Remote
	in, out *net.UDPConn
	wait    sync.WaitGroup
	mu      sync.Mutex
	client  netip.AddrPort
}

func newUDPRelay(r relayed, remote Remote) (*udpRelay, error) {
	in, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(loopback, 0)))
	if err != nil {
		return nil, err
	}
	out, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(remote.Addr()))
	if err != nil {
		in.Close()
		return nil, err
	}
	_ = in.SetReadBuffer(8 << 20)
	u := &udpRelay{Remote: remote, in: in, out: out}
	u.wait.Go(func() { u.there(r.forward) })
	u.wait.Go(func() { u.back(r.back) })
	return u, nil
}

func (u *udpRelay) there(forward func([]byte, func([]byte))) {
	b := make([]byte, 1<<16)
	for {
		n, from, err := u.in.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		u.mu.Lock()
		u.client = from
		u.mu.Unlock()
		forward(b[:n], func(b []byte) { _, _ = u.out.Write(b) })
	}
}

func (u *udpRelay) back(back func([]byte, func([]byte))) {
	b := make([]byte, 1<<16)
	for {
		n, err := u.out.Read(b)
		if err != nil {
			return
		}
		u.mu.Lock()
		to := u.client
		u.mu.Unlock()
		if back == nil {
			back = pass
		}
		back(b[:n], func(b []byte) { _, _ = u.in.WriteToUDPAddrPort(b, to) })
	}
}

func (u *udpRelay) Addr() netip.AddrPort { return u.in.LocalAddr().(*net.UDPAddr).AddrPort() }

func (u *udpRelay) Finish(ctx context.Context) (Tally, error) {
	u.in.Close()
	u.out.Close()
	u.wait.Wait()
	return u.Remote.Finish(ctx)
}

// tcpRelay forwards connections.
type tcpRelay struct {
	Remote
	listener net.Listener
	wait     sync.WaitGroup
	mu       sync.Mutex
	conns    []net.Conn
}

func newTCPRelay(r relayed, remote Remote) (*tcpRelay, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	t := &tcpRelay{Remote: remote, listener: l}
	t.wait.Go(func() { t.accept(r.pipe) })
	return t, nil
}

func (t *tcpRelay) accept(pipe func(from, to net.Conn, up bool)) {
	for {
		in, err := t.listener.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp4", t.Remote.Addr().String())
		if err != nil {
			in.Close()
			continue
		}
		t.mu.Lock()
		t.conns = append(t.conns, in, out)
		t.mu.Unlock()
		t.wait.Go(func() { pipe(in, out, true) })
		t.wait.Go(func() { pipe(out, in, false) })
	}
}

func (t *tcpRelay) Addr() netip.AddrPort { return t.listener.Addr().(*net.TCPAddr).AddrPort() }

func (t *tcpRelay) Finish(ctx context.Context) (Tally, error) {
	t.listener.Close()
	t.mu.Lock()
	for _, c := range t.conns {
		c.Close()
	}
	t.mu.Unlock()
	t.wait.Wait()
	return t.Remote.Finish(ctx)
}

// bucket lets so many datagrams of a second through and drops the others.
type bucket struct {
	perSecond, depth float64
	level            float64
	last             time.Time
}

func (k *bucket) forward(b []byte, out func([]byte)) {
	now := time.Now()
	if k.last.IsZero() {
		k.level = k.depth
	} else {
		k.level = min(k.depth, k.level+now.Sub(k.last).Seconds()*k.perSecond)
	}
	k.last = now
	if k.level >= 1 {
		k.level--
		out(b)
	}
}
