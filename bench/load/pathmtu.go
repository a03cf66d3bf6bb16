package load

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

const (
	udpOver4   = 20 + 8 // IPv4 and UDP headers
	udpOver6   = 40 + 8
	firstWait  = time.Second            // for the first answer: a satellite's takes more than half of it
	probeWait  = 100 * time.Millisecond // for an answer, beyond one and a half of the time that the last one took
	probeTries = 3
)

// PathMTU finds the largest IP packet, in bytes with its headers and at most max, that passes there and comes back without
// being fragmented (DF, IP_PMTUDISC_PROBE: the kernel does not go by what it has learned of the path). The smallest packet
// that is tried has 16 bytes of payload; a path that does not carry it is an error that wraps ErrUnreachable. Each of up to 16
// sizes takes a round trip when it passes, and three times 100 ms and one and a half round trips when it does not: 27 s at
// most with round trips of 300 ms.
func PathMTU(ctx context.Context, place Place, far Far, max int) (mtu int, err error) {
	n, err := begin(ctx, "path MTU", place, far, EchoUDP, 6*grace)
	if err != nil {
		return 0, err
	}
	defer func() { n.finish(ctx, &err) }()
	s, release, err := n.dialUDP(ctx)
	if err != nil {
		return 0, err
	}
	defer release()
	head := n.headers()
	low, high := head+headLen, min(max, maxDatagram+head)
	if high < low {
		return 0, n.failed(ctx, fmt.Errorf("up to %d bytes are asked for: want at least %d", max, low))
	}
	p := newProber(s, n.token)
	mtu, err = largest(low, high, func(size int) (bool, error) { return p.passes(ctx, size-head) })
	return mtu, n.failed(ctx, err)
}

// headers is the length of the headers before a UDP payload.
func (n *near) headers() int {
	if n.to.Addr().Is4() {
		return udpOver4
	}
	return udpOver6
}

// largest is the largest size between low and high that passes. Since the answer is often high itself, that is tried early.
func largest(low, high int, passes func(int) (bool, error)) (int, error) {
	if ok, err := passes(low); err != nil || !ok {
		return 0, errors.Join(err, fmt.Errorf("%w: not even %d bytes", ErrUnreachable, low))
	}
	for try := high; low < high; try = (low + high + 1) / 2 {
		ok, err := passes(try)
		switch {
		case err != nil:
			return 0, err
		case ok:
			low = try
		default:
			high = try - 1
		}
	}
	return low, nil
}

// prober sends single datagrams and waits for them to come back.
type prober struct {
	socket *socket
	token  Token
	seq    uint64
	wait   time.Duration
	out    []byte
	in     []byte
}

func newProber(s *socket, token Token) *prober {
	p := &prober{socket: s, token: token, wait: firstWait, out: make([]byte, maxDatagram), in: make([]byte, maxDatagram)}
	fill(p.out)
	return p
}

// passes reports whether a datagram of that much payload comes back, in several tries.
func (p *prober) passes(ctx context.Context, size int) (bool, error) {
	for range probeTries {
		answer, err := p.probe(size)
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		if err != nil || len(answer) == size {
			return err == nil, err
		}
	}
	return false, nil
}

// probe sends the beginning of out, that long, with a head, and returns what comes back; empty: nothing does, or the kernel
// says that it is too big. What comes back is valid until the next probe.
func (p *prober) probe(size int) ([]byte, error) {
	putHead(p.out, p.token, p.seq)
	defer func() { p.seq++ }()
	if err := p.socket.limit(unix.SO_RCVTIMEO, p.wait); err != nil {
		return nil, err
	}
	start := time.Now()
	if _, err := p.socket.send(p.out[:size]); err == unix.EMSGSIZE || err == unix.ENOBUFS {
		return nil, nil // EMSGSIZE may also be an answer to the packet before: several tries are made
	} else if err != nil {
		return nil, err
	}
	for {
		n, err := p.socket.recv(p.in)
		took := time.Since(start)
		seq, ours := parseHead(p.in[:n], p.token)
		switch {
		case err == unix.EAGAIN || err == unix.EMSGSIZE:
			return nil, nil
		case err != nil:
			return nil, err
		case n == 0:
			return nil, errEnded // interrupted
		case ours && seq == p.seq:
			p.wait = probeWait + took + took/2
			return p.in[:n], nil
		case took > p.wait: // answers to earlier ones must not keep us for ever
			return nil, nil
		}
	}
}
