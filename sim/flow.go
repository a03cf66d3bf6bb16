package sim

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/trust"
)

// Flow is packets at an even rate from one node to another, addressed to its subnet.
type Flow struct {
	From, To *Node
	Every    time.Duration

	index   int
	sent    []time.Time
	arrived []bool
	stopped bool
}

// packet is what is inside a data frame.
type packet struct {
	flow, seq int
	src, dst  netip.Addr
	meant     trust.Fingerprint // the node that the sender takes for the owner
}

// packetLen is the length of packets in bytes.
const packetLen = 4 + 4 + 4 + 4 + 32 + 52

// NewFlow begins a flow.
func (w *World) NewFlow(from, to int, every time.Duration) *Flow {
	f := &Flow{From: w.nodes[from], To: w.nodes[to], Every: every, index: len(w.flows)}
	w.flows = append(w.flows, f)
	w.at(w.now, f.step)
	return f
}

// Stop ends the flow.
func (f *Flow) Stop() { f.stopped = true }

// step sends one packet.
func (f *Flow) step() {
	if f.stopped {
		return
	}
	w := f.From.w
	f.sent, f.arrived = append(f.sent, w.now), append(f.arrived, false)
	if src, ok := f.From.Subnet(); ok {
		if dst, ok := f.To.Subnet(); ok {
			f.From.sendData(packet{flow: f.index, seq: len(f.sent) - 1, src: src.Addr().Next(), dst: dst.Addr().Next()})
		}
	}
	w.at(w.now.Add(f.Every), f.step)
}

// Sent is how many packets were sent.
func (f *Flow) Sent() int { return len(f.sent) }

// Arrived is how many packets have arrived, those alone that were sent from that time on.
func (f *Flow) Arrived(from time.Time) (n int) {
	for i, at := range f.sent {
		if f.arrived[i] && !at.Before(from) {
			n++
		}
	}
	return n
}

// Lost is for how long packets got lost that were sent from one time to another: in all, and at a stretch.
func (f *Flow) Lost(from, to time.Time) (total, longest time.Duration) {
	run := time.Duration(0)
	for i, at := range f.sent {
		if at.Before(from) || !at.Before(to) {
			continue
		}
		if f.arrived[i] {
			run = 0
			continue
		}
		run += f.Every
		total, longest = total+f.Every, max(longest, run)
	}
	return total, longest
}

// sendData sends a packet to the owner of its destination.
func (n *Node) sendData(p packet) {
	owner, ok := n.table.lookup(p.dst)
	to := n.peers[owner]
	if !ok || to == nil || !to.up {
		n.drop("no path")
		return
	}
	keys := to.session.Current()
	if keys == nil {
		n.drop("no session")
		return
	}
	p.meant = owner
	frame, err := keys.SealData(make([]byte, 0, packetLen+encap.HeaderLen+encap.CounterLen+encap.TagLen), 0, 0, p.bytes())
	if err != nil {
		n.drop("seal")
		return
	}
	to.carried = n.w.now
	n.touch(to)
	n.transmit(frame, to.endpoint(), "data")
	n.turn()
}

// takeData takes a data frame.
func (n *Node) takeData(b *binding, from encap.Endpoint, frame []byte) {
	raw, err := b.keys.OpenData(frame)
	if err != nil {
		n.drop("data")
		return
	}
	p := b.peer
	p.confirm(b)
	n.touch(p)
	if _, relayed := from.Relayed(); relayed && p.up { // lanes tell control of what may change how the peer is reached
		p.relayHeard = n.w.now
	} else {
		n.heardFrom(p, from, heard)
	}
	p.carried = n.w.now
	in := parsePacket(raw)
	switch source, _ := n.table.lookup(in.src); {
	case source != p.id:
		n.drop("source not the sender's")
		return
	}
	if owner, _ := n.table.lookup(in.dst); owner != n.self {
		n.drop("not ours")
		return
	}
	n.w.checks.deliver(n, in)
	n.w.flows[in.flow].arrived[in.seq] = true
}

func (p packet) bytes() []byte {
	b := binary.BigEndian.AppendUint32(make([]byte, 0, packetLen), uint32(p.flow))
	b = binary.BigEndian.AppendUint32(b, uint32(p.seq))
	src, dst := p.src.As4(), p.dst.As4()
	b = append(append(append(b, src[:]...), dst[:]...), p.meant[:]...)
	return b[:packetLen]
}

func parsePacket(b []byte) packet {
	return packet{
		flow: int(binary.BigEndian.Uint32(b)), seq: int(binary.BigEndian.Uint32(b[4:])),
		src: netip.AddrFrom4([4]byte(b[8:12])), dst: netip.AddrFrom4([4]byte(b[12:16])), meant: trust.Fingerprint(b[16:48]),
	}
}
