package router

import (
	"bytes"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/packet"
)

// backlog holds the packets for one peer while its session is about to come, or to come back: after the first call of a peer
// that is down, after its own initiation, and when it has said that it pauses. What comes at any other time is dropped.
//
// Lanes add to it, control empties it. mu also orders the two at the end of the wait: control sends what waits before it lets
// lanes send by themselves, so a flow keeps its order. Where there is a way to send, nobody looks here.
type backlog struct {
	until atomic.Int64 // clock up to which packets may wait; 0: none may

	mu      sync.Mutex // guards what follows
	packets []queued   // oldest first
	bytes   int        // of them
}

// queued is a packet in memory of its own.
type queued struct {
	packet   packet.Superpacket
	segments int
	lane     *lane // that read it
	since    int64 // clock
}

const (
	maxWait         = 2 * time.Second // a packet that is older is of no use to anybody
	maxWaiting      = 256             // packets for one peer, a superpacket being one
	maxWaitingBytes = 512 << 10       // for one peer
	maxBacklog      = 8 << 20         // bytes for all peers: 16 that use their share
	controlSlab     = 128 << 10       // holds a sealed superpacket of 64 KiB
)

// await lets a packet wait for the session of its peer, or drops it under one reason.
func (s *sender) await(to *peer, p *packet.Superpacket, now int64) {
	b := &to.backlog
	b.mu.Lock()
	if v := wayTo(to); v.open() { // since the lane looked
		b.mu.Unlock()
		s.send(v, p, now)
		return
	}
	defer b.mu.Unlock()
	if now >= b.until.Load() {
		s.drop(PeerDown, p)
		return
	}
	if len(b.packets) == maxWaiting || b.bytes+len(p.Data) > maxWaitingBytes || !s.l.r.room(len(p.Data)) {
		s.drop(QueueFull, p)
		return
	}
	own := *p
	own.Data = bytes.Clone(p.Data)
	b.packets = append(b.packets, queued{packet: own, segments: s.count(p), lane: s.l, since: now})
	b.bytes += len(p.Data)
}

// room takes n bytes of what may wait for all peers.
func (r *Router) room(n int) bool {
	if r.backlog.Add(int64(n)) > maxBacklog {
		r.backlog.Add(-int64(n))
		return false
	}
	return true
}

// cut takes the first n packets out; the caller holds mu.
func (b *backlog) cut(n int, total *atomic.Int64) (first []queued) {
	first = b.packets[:n:n]
	if b.packets = b.packets[n:]; len(b.packets) == 0 {
		b.packets = nil
	}
	freed := 0
	for i := range first {
		freed += len(first[i].packet.Data)
	}
	b.bytes -= freed
	total.Add(-int64(freed))
	return first
}

// expect lets packets to a peer wait from now on.
func (r *Router) expect(p *peer) { p.backlog.until.Store(r.clock() + int64(maxWait)) }

// suspend makes packets to a peer wait whose path is up: it cannot open what is sent under the present keys any more.
func (r *Router) suspend(p *peer) {
	if p.path.Load() == nil {
		return
	}
	p.suspended = true
	r.expect(p)
	r.renewPath(p)
}

// awaitConfirmation lets packets wait for the first frame under the keys of an answered initiation, if they cannot go under
// others. forgotten: the peer does not know those that are in force, or somebody replays an initiation of an earlier run of the peer's,
// which this run of ours has not seen. A probe under the present keys tells the two apart: who has these answers it, and nothing waits
// for longer than that takes.
func (r *Router) awaitConfirmation(p *peer, forgotten bool) {
	switch {
	case !p.isUp():
		r.expect(p)
	case forgotten:
		r.suspend(p)
		r.probePath(p, r.now())
	}
}

// follow makes an endpoint the path of a peer: the relayed one, along its route. Unless the peer is suspended, what waits for it goes
// there first.
func (r *Router) follow(p *peer, to encap.Endpoint) {
	p.stray.Store(nil)
	next := r.pathTo(p, to)
	b := &p.backlog
	b.mu.Lock()
	defer b.mu.Unlock()
	if !p.suspended {
		b.until.Store(0)
		r.sendWaiting(wayBy(p, next), b.cut(len(b.packets), &r.backlog))
	}
	p.path.Store(next)
}

// pathTo is the path to an endpoint of a peer.
func (r *Router) pathTo(p *peer, to encap.Endpoint) *path {
	next := &path{endpoint: to, lanes: p.lanes, suspended: p.suspended, route: p.routeTo(to)}
	if next.route != nil { // the hops have their own
		next.lanes = uint8(len(r.lanes))
	}
	return next
}

// renewPath makes the path what its peer is by now: suspended or not, with other lanes.
func (r *Router) renewPath(p *peer) {
	if path := p.path.Load(); path != nil {
		r.follow(p, path.endpoint)
	}
}

// sendWaiting sends packets of a backlog, each in the lane that it would have had.
func (r *Router) sendWaiting(v via, packets []queued) {
	switch {
	case len(packets) == 0:
		return
	case !v.open():
		discard(PeerDown, packets)
		return
	}
	s := new(sender)
	s.init(r.lanes[0], controlSlab)
	now := r.clock()
	for i := range packets {
		s.l = packets[i].lane
		s.send(v, &packets[i].packet, now)
	}
	s.flush()
}

func discard(reason Reason, packets []queued) {
	for i := range packets {
		packets[i].lane.out.drop(reason, packets[i].segments)
	}
}

// stepBacklog drops what has waited too long, and ends a suspension that brought no session. It returns how long nothing will
// be due.
func (r *Router) stepBacklog(p *peer) time.Duration {
	b, now := &p.backlog, r.clock()
	if p.suspended && now >= b.until.Load() {
		p.suspended = false
		r.renewPath(p)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for n < len(b.packets) && now-b.packets[n].since >= int64(maxWait) {
		n++
	}
	discard(QueueStale, b.cut(n, &r.backlog))
	return b.due(now, p.suspended)
}

// due is how long after now the first packet will have waited too long, or the wait will be over; the caller holds mu.
func (b *backlog) due(now int64, suspended bool) time.Duration {
	wait := longestSleep
	if len(b.packets) > 0 {
		wait = min(wait, time.Duration(b.packets[0].since-now)+maxWait)
	}
	if suspended {
		wait = min(wait, time.Duration(b.until.Load()-now))
	}
	return wait
}

// abandonBacklog drops what waits for a peer that is not one any more.
func (r *Router) abandonBacklog(p *peer) {
	b := &p.backlog
	b.until.Store(0)
	b.mu.Lock()
	defer b.mu.Unlock()
	discard(PeerDown, b.cut(len(b.packets), &r.backlog))
}
