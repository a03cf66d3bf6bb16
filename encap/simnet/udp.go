package simnet

import (
	"bytes"
	"cmp"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/weftnet/weft/encap"
)

const queueLen = 4096 // datagrams that a lane holds; more are lost

// udpConn is one lane of a port. Its state is guarded by the network's mutex.
type udpConn struct {
	port  *udpPort
	from  uint16    // that it sends from
	queue []arrival // in the order in which they are due
	wake  chan struct{}
	out   []encap.Datagram // of the last Receive; used by the reader only
}

// arrival is a frame on its way.
type arrival struct {
	due  time.Time
	seq  uint64
	data encap.Datagram
}

var _ encap.Conn = (*udpConn)(nil)

// Receive implements encap.Conn.
func (c *udpConn) Receive() ([]encap.Datagram, error) {
	for {
		select {
		case <-c.port.done:
			return nil, fmt.Errorf("simnet: receive: %w", os.ErrClosed)
		default:
		}
		next, more := c.collect()
		if len(c.out) > 0 {
			return c.out, nil
		}
		var timer *time.Timer
		var due <-chan time.Time
		if more {
			timer = time.NewTimer(next)
			due = timer.C
		}
		select {
		case <-c.wake:
		case <-due:
		case <-c.port.done:
		}
		if timer != nil {
			timer.Stop()
		}
	}
}

// collect moves what is due to out, and says how long the next one takes.
func (c *udpConn) collect() (next time.Duration, more bool) {
	c.port.host.net.mu.Lock()
	defer c.port.host.net.mu.Unlock()
	now := time.Now()
	c.out = c.out[:0]
	for len(c.queue) > 0 {
		if wait := c.queue[0].due.Sub(now); wait > 0 {
			return wait, true
		}
		c.out = append(c.out, c.queue[0].data)
		c.queue = c.queue[1:]
	}
	return 0, false
}

// Send implements encap.Conn.
func (c *udpConn) Send(trains []encap.Train) (r encap.SendResult) {
	c.port.host.net.mu.Lock()
	defer c.port.host.net.mu.Unlock()
	for i := range trains {
		t, sent := &trains[i], r.Sent
		t.Refused = encap.Run{}
		all := bytes.Join(t.Bufs, nil)
		size := t.Size
		if size <= 0 {
			size = len(all)
		}
		for number := 0; len(all) > 0; number++ {
			n, refused := min(size, len(all)), r.TooBig
			c.sendFrame(t, all[:n:n], &r)
			if r.TooBig > refused {
				t.Refuse(number, 1)
			}
			all = all[n:]
		}
		if r.Sent > sent {
			r.Messages, r.Calls = r.Messages+1, 1
		}
	}
	return r
}

// sendFrame sends one frame and counts it. mu is held.
func (c *udpConn) sendFrame(t *encap.Train, frame []byte, r *encap.SendResult) {
	to := t.To.Addr
	from, ok := c.port.host.source(to.Addr(), t.To.Local)
	switch {
	case c.port.closed:
		r.Failed++
		note(r, os.ErrClosed)
	case !ok:
		r.Unreachable++
		note(r, syscall.ENETUNREACH)
	case len(frame)+headers(to.Addr()) > c.port.host.net.opts.MTU:
		r.TooBig++
		note(r, syscall.EMSGSIZE)
	default:
		r.Sent++
		c.port.host.net.transmit(netip.AddrPortFrom(from, c.from), to, frame, t)
	}
}

func headers(a netip.Addr) int {
	if a.Is4() {
		return 20 + 8 // IPv4, UDP
	}
	return 40 + 8 // IPv6, UDP
}

func note(r *encap.SendResult, err error) {
	if r.Err == nil {
		r.Err = fmt.Errorf("simnet: send: %w", err)
	}
}

// transmit puts a frame on its way, or loses it. mu is held.
func (n *Network) transmit(from, to netip.AddrPort, frame []byte, t *encap.Train) {
	delay := cmp.Or(n.links[[2]netip.Addr{from.Addr(), to.Addr()}].delay, n.opts.Delay)
	if n.opts.Jitter > 0 {
		delay += time.Duration(n.rng.Int64N(int64(n.opts.Jitter)))
	}
	lost := n.opts.Loss > 0 && n.rng.Float64() < n.opts.Loss
	if lost || !n.pathUp(from.Addr(), to.Addr()) {
		return
	}
	p := n.owners[to.Addr()].udp[to.Port()]
	if p == nil {
		return
	}
	c := p.laneOf(frame)
	if len(c.queue) >= queueLen {
		p.lost++
		return
	}
	n.sent++
	c.enqueue(arrival{due: time.Now().Add(delay), seq: n.sent, data: encap.Datagram{
		From: encap.Endpoint{Addr: from, Local: to.Addr()}, Data: frame, ECN: t.ECN, DSCP: t.DSCP,
	}})
}

func (c *udpConn) enqueue(a arrival) {
	at, _ := slices.BinarySearchFunc(c.queue, a, func(x, y arrival) int {
		if d := x.due.Compare(y.due); d != 0 {
			return d
		}
		return int(x.seq) - int(y.seq)
	})
	c.queue = slices.Insert(c.queue, at, a)
	select {
	case c.wake <- struct{}{}:
	default:
	}
}
