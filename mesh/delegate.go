package mesh

import (
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"
)

// delegate is what memberlist calls, often with its locks held: all of it only posts to the mailbox or reads snapshots.
type delegate struct {
	self    memberName
	mail    *mailbox
	queue   *memberlist.TransmitLimitedQueue
	state   atomic.Pointer[state]
	meta    atomic.Pointer[[]byte]
	members atomic.Int64 // for the number of retransmissions
	dropped atomic.Uint64
}

var (
	_ memberlist.Delegate      = (*delegate)(nil)
	_ memberlist.EventDelegate = (*delegate)(nil)
	_ memberlist.AliveDelegate = (*delegate)(nil)
)

func newDelegate(self memberName, mail *mailbox) *delegate {
	d := &delegate{self: self, mail: mail}
	d.queue = &memberlist.TransmitLimitedQueue{
		RetransmitMult: retransmitMult,
		NumNodes:       func() int { return max(leastNodes, int(d.members.Load())+1) },
	}
	d.state.Store(&state{})
	return d
}

// NodeMeta is what encodeMeta made of our endpoints.
func (d *delegate) NodeMeta(int) []byte {
	if meta := d.meta.Load(); meta != nil {
		return *meta
	}
	return nil
}

// NotifyMsg gets a user message.
func (d *delegate) NotifyMsg(b []byte) {
	b = slices.Clone(b)
	d.offer(len(b)+1, func(o *owner) { o.message(b) })
}

// GetBroadcasts fills a packet.
func (d *delegate) GetBroadcasts(overhead, limit int) [][]byte {
	return d.queue.GetBroadcasts(overhead, limit)
}

// LocalState is what we send in a push/pull.
func (d *delegate) LocalState(bool) []byte { return d.state.Load().encode(time.Now()) }

// MergeRemoteState gets what the other side of a push/pull sent.
func (d *delegate) MergeRemoteState(b []byte, _ bool) {
	d.offer(len(b)+1, func(o *owner) { o.mergeState(b) })
}

func (d *delegate) offer(size int, do func(*owner)) {
	if !d.mail.offer(size, do) {
		d.dropped.Add(1)
	}
}

// NotifyJoin gets a node that became alive.
func (d *delegate) NotifyJoin(n *memberlist.Node) { d.changed(n, true) }

// NotifyLeave gets a node that died or left.
func (d *delegate) NotifyLeave(n *memberlist.Node) { d.changed(n, false) }

// NotifyUpdate is for metadata that changes, and ours does not.
func (d *delegate) NotifyUpdate(*memberlist.Node) {}

func (d *delegate) changed(node *memberlist.Node, alive bool) {
	n, ok := parseMemberName(node.Name)
	if !ok || n == d.self {
		return
	}
	if alive {
		d.members.Add(1)
	} else {
		d.members.Add(-1)
	}
	at := decodeMeta(node.Meta)
	d.mail.post(func(o *owner) { o.presence(n, alive, at) })
}

// NotifyAlive keeps out what is not named and addressed as a node of ours is.
func (d *delegate) NotifyAlive(n *memberlist.Node) error {
	name, ok := parseMemberName(n.Name)
	if !ok || !n.Addr.Equal(syntheticIP(name.id)) {
		return fmt.Errorf("mesh: not a node's name and address: %q %v", n.Name, n.Addr)
	}
	return nil
}

// broadcast is a queued user message; a newer one about the same thing replaces it.
type broadcast struct {
	name    string
	payload []byte
}

var _ memberlist.NamedBroadcast = broadcast{}

// Name identifies what the message is about.
func (b broadcast) Name() string { return b.name }

// Invalidates reports whether b replaces other.
func (b broadcast) Invalidates(other memberlist.Broadcast) bool {
	o, ok := other.(broadcast)
	return ok && o.name == b.name
}

// Message is the user message.
func (b broadcast) Message() []byte { return b.payload }

// Finished is not needed.
func (b broadcast) Finished() {}
