package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/weftnet/weft/kernel"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/router"
	"github.com/weftnet/weft/trust"
)

// errNoPacket says that no packet is like the one in question.
var errNoPacket = errors.New("node: trace")

// serveTrace answers 'weft trace'.
func (n *Node) serveTrace(w http.ResponseWriter, r *http.Request) {
	src, dst, err := traced(r)
	var t *api.Trace
	if err == nil {
		t, err = n.Trace(r.Context(), src, dst)
	}
	if errors.Is(err, errNoPacket) {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	reply(func() (*api.Trace, error) { return t, err })(w, r)
}

// traced are the addresses in a request; an invalid source: it names none.
func traced(r *http.Request) (src, dst netip.Addr, err error) {
	q := r.URL.Query()
	if dst, err = netip.ParseAddr(q.Get("dst")); err == nil && q.Has("src") {
		src, err = netip.ParseAddr(q.Get("src"))
	}
	if err != nil {
		return src, dst, fmt.Errorf("%w: %w", errNoPacket, err)
	}
	return src, dst, nil
}

// Trace says what becomes of a packet: what the tables and the kernel of this host make of it, and what the nodes on its way answer. A
// source that is not valid stands for this node's own in the overlay. It takes up to 3.1 s. The error is errNoPacket where the
// addresses can be no packet's.
func (n *Node) Trace(ctx context.Context, src, dst netip.Addr) (*api.Trace, error) {
	t, err := n.newTrace(src, dst)
	if err != nil {
		return nil, err
	}
	course := n.router.Course(t.src, t.Destination)
	if t.Peer, err = n.peerOf(course.To); err != nil {
		return nil, err
	}
	t.judge(course, n.config())
	if course.From != (trust.Fingerprint{}) {
		from, err := n.peerOf(course.From)
		if err != nil {
			return nil, err
		}
		t.judgeFrom(course, from)
	}
	if t.Where == api.TracePeer {
		n.probe(ctx, t, course)
	}
	t.conclude()
	return &t.Trace, nil
}

// tracing is a trace that is being made.
type tracing struct {
	api.Trace
	src netip.Addr
	own []netip.Prefix // what this node owns
}

// newTrace has what the plan and the kernel say.
func (n *Node) newTrace(src, dst netip.Addr) (*tracing, error) {
	routes, err := n.Routes()
	if err != nil {
		return nil, err
	}
	t := &tracing{Trace: api.Trace{Destination: dst.Unmap(), Hops: []api.TraceHop{}, Routes: []api.Route{}}, src: src.Unmap()}
	planned := n.planned()
	if planned != nil {
		t.own = planned.table.Local
	}
	if err := cmp.Or(noPacketAt(t.Destination), noPacketAt(t.src)); err != nil {
		return nil, err
	}
	t.Routes = holding(routes, t.Destination)
	t.Kernel = n.kernelRoute(t.Destination, planned)
	if !src.IsValid() {
		t.src = n.ownSource(t, planned)
	}
	t.Source = t.src
	switch {
	case !t.src.IsValid():
		return nil, fmt.Errorf("%w: this node has no address of the family of %s: name a source in front of it", errNoPacket, dst)
	case t.src.Is4() != t.Destination.Is4():
		return nil, fmt.Errorf("%w: %s and %s are not of one family", errNoPacket, src, dst)
	}
	return t, nil
}

// noPacketAt says why no packet has an address, in the overlay or to it. One that is not valid was not named.
func noPacketAt(a netip.Addr) error {
	switch {
	case a.Zone() != "":
		return fmt.Errorf("%w: %s belongs to one link, and is none of the overlay", errNoPacket, a)
	case a.IsValid() && a.IsUnspecified():
		return fmt.Errorf("%w: %s is no address of a packet", errNoPacket, a)
	}
	return nil
}

// ownSource is the address that a packet of this node itself has: the kernel's choice where weft has nothing to do with the destination,
// else the node's own in the overlay.
func (n *Node) ownSource(t *tracing, planned *plan) (own netip.Addr) {
	if planned != nil {
		own = sourceFor(netip.PrefixFrom(t.Destination, t.Destination.BitLen()), planned.kernel.Addresses)
	}
	foreign := len(t.Routes) == 0 && !n.config().InNetwork(t.Destination) && !t.Kernel.Overlay
	if foreign && t.Kernel.Source.IsValid() || !own.IsValid() {
		return t.Kernel.Source
	}
	return own
}

// planned is the plan in force; nil: there is none yet.
func (n *Node) planned() *plan {
	n.state.mu.Lock()
	defer n.state.mu.Unlock()
	return n.state.plan
}

// holding are the prefixes with an address in them: the longest first, of each what is in force before what is not.
func holding(routes []api.Route, dst netip.Addr) []api.Route {
	list := slices.DeleteFunc(routes, func(r api.Route) bool { return !r.Prefix.Contains(dst) })
	rank := func(r api.Route) int {
		return slices.Index([]string{"in force", "waiting", "standby", "refused"}, r.State)
	}
	slices.SortStableFunc(list, func(a, b api.Route) int {
		return cmp.Or(cmp.Compare(b.Prefix.Bits(), a.Prefix.Bits()), cmp.Compare(rank(a), rank(b)))
	})
	return list
}

// kernelRoute is what the kernel does with a packet to an address.
func (n *Node) kernelRoute(dst netip.Addr, planned *plan) api.TraceKernel {
	e, err := n.platform.Kernel.Egress(dst)
	switch {
	case errors.Is(err, kernel.ErrOverlay):
		k := api.TraceKernel{Interface: n.config().Device, Overlay: true}
		if r, ok := plannedRoute(planned, dst); ok {
			k.Prefix, k.MTU, k.Source = r.Prefix, int(r.MTU), r.Source
		}
		return k
	case err != nil:
		return api.TraceKernel{Error: strings.TrimPrefix(err.Error(), fmt.Sprintf("kernel: egress to %v: ", dst))}
	}
	return api.TraceKernel{Interface: e.Interface, Source: e.Source, MTU: int(e.MTU)}
}

// plannedRoute is the longest of weft's routes that leads to an address.
func plannedRoute(p *plan, dst netip.Addr) (longest kernel.Route, found bool) {
	if p == nil {
		return longest, false
	}
	for _, r := range p.kernel.Routes {
		if r.Prefix.Contains(dst) && (!found || r.Prefix.Bits() > longest.Prefix.Bits()) {
			longest, found = r, true
		}
	}
	return longest, found
}

// peerOf is a peer, as 'weft peers' has it; nil: there is none of that id.
func (n *Node) peerOf(id trust.Fingerprint) (*api.Peer, error) {
	if id.IsZero() {
		return nil, nil
	}
	peers, err := n.Peers()
	if err != nil {
		return nil, err
	}
	for i := range peers {
		if peers[i].ID == id.String() {
			return &peers[i], nil
		}
	}
	return nil, nil
}

// judge notes what the tables make of the packet.
func (t *tracing) judge(c router.Course, cfg *config.Config) {
	switch {
	case c.Local:
		t.Where = api.TraceSelf
	case !c.To.IsZero():
		t.Where = api.TracePeer
	case cfg.InNetwork(t.Destination):
		t.Where = api.TraceNobody
	default:
		t.Where = api.TraceOutside
	}
	t.Masqueraded = cfg.Firewall && t.Kernel.Overlay && !cfg.InNetwork(t.src) && c.From.IsZero() && c.Out == router.ForeignSource.String()
	if t.Where == api.TraceSelf || t.Where == api.TraceOutside && !t.Kernel.Overlay {
		return // it does not come to weft
	}
	t.Drop = c.Out
	if t.Drop != "" {
		t.Why = t.meaning(t.Drop)
	}
}

// judgeFrom notes what becomes of the packet when the owner of its source sends it here; nil: that one has just gone.
func (t *tracing) judgeFrom(c router.Course, from *api.Peer) {
	if from == nil {
		return
	}
	t.From = &api.TraceFrom{Peer: from.Name, Drop: c.In}
	if c.In != "" {
		t.From.Why = t.meaning(c.In)
	}
}

// probe asks the nodes on the way.
func (n *Node) probe(ctx context.Context, t *tracing, c router.Course) {
	src, dst := t.src, t.Destination
	if t.Drop != "" && t.Drop != router.PeerDown.String() && t.Drop != router.RelayDown.String() {
		src, dst = netip.Addr{}, netip.Addr{} // the owner never gets such a packet from here: it is asked only whether it is there
	}
	hops, err := n.router.Trace(ctx, c.To, src, dst)
	if err != nil {
		t.Unprobed = strings.TrimPrefix(err.Error(), "router: ")
		return
	}
	for i := range hops {
		t.Hops = append(t.Hops, hopReport(&hops[i], t.meaningAt(hops, i)))
	}
}

// hopReport is what a node on the way answered; meaning is that of its verdict.
func hopReport(h *router.TraceHop, meaning string) api.TraceHop {
	r := api.TraceHop{
		Name: h.Name, Number: h.Number.String(), Asked: h.Asked, Times: make([]int64, 0, len(h.Times)), Received: h.Clock,
		Via: h.From, Seen: addrText(h.Seen), Back: some(h.Back), Drop: h.Verdict, Why: cmp.Or(h.Unasked, meaning),
	}
	if !h.ID.IsZero() {
		r.ID = h.ID.String()
	}
	for _, d := range h.Times {
		r.Times = append(r.Times, d.Microseconds())
	}
	return r
}
