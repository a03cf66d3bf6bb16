package router

import (
	"errors"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/trust"
)

// route is how frames reach a peer through others: all relays, as this node has chosen them. A route is never changed, only
// replaced. The zero value leads nowhere.
type route struct {
	first *peer           // the first relay, which frames are sent to; nil: there is no way
	head  encap.RelayHead // of their fronts, but for the lane
	front int             // bytes of a front
}

// errRoute says that relays cannot be a route.
var errRoute = errors.New("router: relays that cannot be a route")

// newRoute is the route to a peer through first and then further. No node may be in it twice, nor may this one.
func (r *Router) newRoute(to, first *peer, further ...trust.Number) (*route, error) {
	list, ok := encap.RelaysOf(further...)
	if !ok || to == first || list.Has(to.number) || list.Has(first.number) || list.Has(r.number) || list.Repeats() {
		return nil, errRoute
	}
	w := &route{first: first, head: encap.RelayHead{
		HopLimit: uint8(1 + list.Len()), Source: r.number, Destination: to.number, Further: list,
	}}
	w.front = w.head.FrontLen()
	return w, nil
}

// reroute makes frames that go to p through relays take that route from now on; nil: there is none. It does not make them go through
// relays: follow does, with p's relayed endpoint. It is for the control goroutine.
func (r *Router) reroute(p *peer, w *route) {
	p.route.Store(w)
	if path := p.path.Load(); path != nil && path.route != nil {
		r.follow(p, path.endpoint)
	}
}

// nowhere is the route of a path through relays while there is none.
var nowhere = new(route)

// routeTo is the route of a path that leads to an endpoint; nil: straight.
func (p *peer) routeTo(to encap.Endpoint) *route {
	if to != p.relayedAt {
		return nil
	}
	if w := p.route.Load(); w != nil {
		return w
	}
	return nowhere
}

// hop is the present way to the next node of a route. The zero value is that of a path which is straight.
type hop struct {
	link *direct
	keys *encap.Keypair
}

// hopTo is the present way to a peer as the next node of a route.
func hopTo(p *peer) hop {
	if p == nil {
		return hop{}
	}
	return hop{link: p.direct.Load(), keys: p.session.Current()}
}

// open reports whether relay frames may be sent: straight, whatever way the hop's own packets take, and to a node that knows them.
func (h hop) open() bool {
	return h.link != nil && h.link.up && h.keys != nil && h.keys.Relays()
}

// lane is the lane that relay frames of our lane id travel in.
func (h hop) lane(id uint8) uint8 { return inLane(id, min(h.link.lanes, uint8(h.keys.Lanes))) }

// inLane is our lane id where there are n.
func inLane(id, n uint8) uint8 {
	if n > 1 {
		return id % n
	}
	return 0
}

// numbers are those of the relays, in their order.
func (w *route) numbers() []trust.Number {
	return append([]trust.Number{w.first.number}, w.head.Further.Numbers()...)
}

// wrap puts a front before a control frame, as the route to the node of that number says. false: there is no way now. It may be called
// from any goroutine.
func (r *Router) wrap(frame []byte, to trust.Number) (t encap.Train, ok bool) {
	p := r.table.Load().numbers[to]
	if p == nil {
		return t, false
	}
	return wrapBy(p.route.Load(), frame)
}

// wrapBy puts a front before a control frame, for a route; nil: there is none.
func wrapBy(w *route, frame []byte) (t encap.Train, ok bool) {
	if w == nil {
		return t, false
	}
	h := hopTo(w.first)
	if !h.open() {
		return t, false
	}
	front, err := h.keys.SealRelay(make([]byte, 0, w.front), &w.head)
	if err != nil {
		return t, false
	}
	return encap.Train{To: h.link.endpoint, Bufs: [][]byte{front, frame}, Size: len(front) + len(frame), DSCP: dscpCS6}, true
}
