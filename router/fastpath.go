package router

import (
	"sync/atomic"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/tun"
)

// turnCounters say what a lane's work costs.
type turnCounters struct {
	spins, waits, misdirected atomic.Uint64

	calls, messages, resent atomic.Uint64 // of sends

	datagrams, frames, written uint64 // of the present batch of receives; the port's loop only
	in                         struct{ datagrams, frames, written atomic.Uint64 }
}

// sent adds up one send.
func (t *turnCounters) sent(r *encap.SendResult) {
	t.calls.Add(uint64(r.Calls))
	t.messages.Add(uint64(r.Messages))
	if r.Resent > 0 {
		t.resent.Add(uint64(r.Resent))
	}
}

// received publishes what one batch brought.
func (t *turnCounters) received() {
	t.in.datagrams.Add(t.datagrams)
	t.in.frames.Add(t.frames)
	t.in.written.Add(t.written)
	t.datagrams, t.frames, t.written = 0, 0, 0
}

// LaneStats are the totals of one lane that explain its speed: the fewer system calls and wake-ups for a packet, the
// better.
type LaneStats struct {
	Lane   int
	Polled bool // one loop serves port and device; else each has its own, and waits in Go's poller

	Reads        uint64 // drains of the device that brought something
	Superpackets uint64 // that were cut into segments
	Packets      uint64 // that went out, superpackets by their segments
	Sends        uint64 // system calls that sent something
	Messages     uint64 // datagrams and trains that the kernel took in one piece
	Resent       uint64 // frames of trains that the kernel refused in one piece

	Receives    uint64 // drains of the port that brought something
	Datagrams   uint64 // datagrams and trains that the kernel gave in one piece
	Frames      uint64 // in them
	Written     uint64 // packets and superpackets that the device took
	Delivered   uint64 // packets in them
	Misdirected uint64 // frames that came to another lane than their own, and were carried over

	Spins uint64 // looks in vain before a wait
	Waits uint64
}

// Lanes returns the totals of every lane. It may be called from any goroutine.
func (r *Router) Lanes() []LaneStats {
	list := make([]LaneStats, 0, len(r.lanes))
	for _, l := range r.lanes {
		list = append(list, l.stats())
	}
	return list
}

func (l *lane) stats() LaneStats {
	t := &l.turns
	_, polledConn := l.conn.(encap.PolledConn)
	_, polledQueue := l.r.dev.Load().queues[l.id].(tun.PolledQueue)
	return LaneStats{
		Lane: int(l.id), Polled: polledConn && polledQueue,
		Reads: l.out.calls.Load(), Superpackets: l.out.superpackets.Load(), Packets: l.out.packets.Load(),
		Sends: t.calls.Load(), Messages: t.messages.Load(), Resent: t.resent.Load(),
		Receives: l.in.calls.Load(), Datagrams: t.in.datagrams.Load(), Frames: t.in.frames.Load(),
		Written: t.in.written.Load(), Delivered: l.in.packets.Load(), Misdirected: t.misdirected.Load(),
		Spins: t.spins.Load(), Waits: t.waits.Load(),
	}
}
