package router

import (
	"net/netip"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/pmtu"
)

// fit is how long frames to a peer may be. It is never changed, only replaced.
type fit struct {
	whole int // bytes of the longest frame that goes in one piece
	long  int // bytes of frames from which on control hears that they go: pmtu's State.Long
}

// sizing is what control knows of the sizes that the paths to a peer carry.
type sizing struct {
	paths []sizedPath // the present one first; the others are remembered for when the peer is reached there again
	since time.Time   // when the state began for which paths[0] was verified
	told  pmtu.State  // of the present path, as lanes and node know it
	inner int         // the longest inner packet that told leaves
}

// sizedPath is a path with the engine that probes it.
type sizedPath struct {
	way    wayKey
	engine *pmtu.Engine
}

// wayKey tells paths apart that may carry other sizes: by their end, and by their relays.
type wayKey struct {
	to    netip.AddrPort
	first *peer // relay; nil: straight
	head  encap.RelayHead
}

func (p *path) key() wayKey {
	k := wayKey{to: p.endpoint.Addr}
	if p.route != nil {
		k.first, k.head = p.route.first, p.route.head
	}
	return k
}

// maxSizedPaths is how many paths of a peer are remembered.
const maxSizedPaths = 4

// Headers around a frame.
const (
	headers4 = 20 + 8 // IPv4, UDP
	headers6 = 40 + 8 // IPv6, UDP
)

// headers is how many bytes an IP packet on the first link of a way has more than the frame in it, the which the front for
// relays is part of.
func (v via) headers() int {
	if v.endpoint().Addr.Addr().Is4() {
		return headers4
	}
	return headers6
}

// floor is the least size that a way can have. Relays may be reached over IPv4 behind the first one.
func (v via) floor() int {
	if v.path.route == nil && v.headers() == headers6 {
		return pmtu.Floor6
	}
	return pmtu.Floor4
}

// SetMTUProbes makes the router look for what paths carry, or take them to carry what the links at both ends do. It may be
// called from any goroutine.
func (r *Router) SetMTUProbes(on bool) {
	_ = r.call(func() { // a router that has stopped probes nothing
		r.probesMTU = on
		r.schedule.touchAll()
	})
}

// stepSize lets the engine of a peer's path act, and returns when something will be due.
func (r *Router) stepSize(p *peer, now time.Time) time.Time {
	v := wayTo(p)
	switch {
	case v.path == nil || v.keys == nil || v.path.route != nil && !v.hop.open():
	case !v.keys.Parts():
		p.sizing.paths = nil
		r.publishSize(v, pmtu.State{MTU: r.linkMTU(p), Safe: maxFrame, Known: pmtu.Link}) // it knows neither probes nor parts
	case !r.probesMTU:
		p.sizing.paths = nil
		bound := max(r.linkMTU(p), v.floor())
		r.publishSize(v, pmtu.State{MTU: bound, Safe: bound, Known: pmtu.Link})
	default:
		return r.probeSizes(v, now)
	}
	return now.Add(longestSleep)
}

// probeSizes is stepSize for a path that is probed.
func (r *Router) probeSizes(v via, now time.Time) time.Time {
	engine, long := r.sizes(v), r.at(v.peer.long.Load())
	for _, probe := range engine.Step(now, long) {
		if !r.sendSizeProbe(v, probe) {
			engine.Refused(probe.ID, now)
		}
	}
	r.publishSize(v, engine.State())
	return engine.Due(long)
}

// sizes is the engine of the present path.
func (r *Router) sizes(v via) *pmtu.Engine {
	s, bound := &v.peer.sizing, r.linkMTU(v.peer)
	s.use(v.path.key(), func() *pmtu.Engine {
		return pmtu.New(pmtu.Config{Floor: v.floor(), Bound: bound, Spread: r.jitter(pmtu.RestPeriod / 10)})
	})
	engine := s.paths[0].engine
	engine.SetBound(bound)
	if s.since != v.peer.since { // the path was down
		s.since = v.peer.since
		engine.Doubt()
	}
	return engine
}

// use puts a way first; one that was used before is to be verified.
func (s *sizing) use(way wayKey, make func() *pmtu.Engine) {
	for i, known := range s.paths {
		if known.way != way {
			continue
		}
		if i > 0 {
			copy(s.paths[1:i+1], s.paths[:i])
			s.paths[0] = known
			known.engine.Doubt()
		}
		return
	}
	s.paths = append([]sizedPath{{way: way, engine: make()}}, s.paths[:min(len(s.paths), maxSizedPaths-1)]...)
}

// defaultLinkMTU is taken where neither end knows its link's.
const defaultLinkMTU = 1500

// linkMTU is the longest IP packet that the links at both ends take, as far as that is known.
func (r *Router) linkMTU(p *peer) int {
	if p.config.LinkMTU > 0 {
		return p.config.LinkMTU
	}
	mtu := defaultLinkMTU
	if ours := int(r.cfg.Local.Settings.MTU); ours > 0 {
		mtu = ours
	}
	if theirs := int(p.session.Remote().MTU); theirs >= pmtu.Base {
		mtu = min(mtu, theirs)
	}
	return mtu
}

// sendSizeProbe sends a probe. false: the kernel refused it as too long.
func (r *Router) sendSizeProbe(v via, probe pmtu.Probe) bool {
	body := encap.SizeProbeBody{ID: probe.ID}.AppendPadded(nil, probe.Size-v.headers()-v.front())
	frame, err := v.keys.SealControl(nil, encap.SizeProbe, body)
	if err != nil {
		r.ctl.drop(KeyExhausted, 1)
		return true
	}
	trains := r.appendControl(nil, frame, v.path.endpoint)
	for i := range trains {
		trains[i].Whole = true
	}
	return r.controlConn().Send(trains).TooBig == 0
}

// publishSize tells lanes and node what is known of a path.
func (r *Router) publishSize(v via, s pmtu.State) {
	p, known := v.peer, &v.peer.sizing
	next := fit{whole: s.Safe - v.headers(), long: s.Long() - v.headers()}
	if old := p.fit.Load(); old == nil || *old != next {
		p.fit.Store(&next)
	}
	was, inner := *known, s.MTU-v.headers()-v.frameLen(0)
	known.told, known.inner = s, inner
	if was.inner == inner && was.told.MTU == s.MTU {
		return
	}
	if was.told.MTU != 0 && was.told.MTU != s.MTU {
		r.log.Info("router.path.resized", "peer", p.config.Name, "id", p.id.Short(), "endpoint", v.path.endpoint.Addr, "mtu", s.MTU,
			"was", was.told.MTU, "known", string(s.Known))
	}
	r.emit(Event{Kind: PathResized, Peer: p.id, Name: p.config.Name, Endpoint: v.path.endpoint.Addr})
}

// maxFrame is longer than any packet on an underlay.
const maxFrame = 1 << 17

// answerSize answers a probe of a size, to where it came from.
func (r *Router) answerSize(p *peer, from encap.Endpoint, body []byte) {
	q, err := encap.ParseSizeProbe(body)
	if err != nil {
		r.ctl.drop(BadFrame, 1)
		return
	}
	r.sendControl(p, encap.SizeReply, q.Append(nil), from)
}

// takeSize takes the answer to a probe of a size.
func (r *Router) takeSize(p *peer, body []byte) {
	q, err := encap.ParseSizeProbe(body)
	if err != nil {
		r.ctl.drop(BadFrame, 1)
		return
	}
	if paths := p.sizing.paths; len(paths) > 0 {
		paths[0].engine.Answered(q.ID, r.now())
	}
}

// refusedSize has control verify the paths of trains of which the kernel refused some as too long. Any goroutine may call it.
func (r *Router) refusedSize(trains []encap.Train) {
	if r.oversize.Swap(true) { // control has not looked yet
		return
	}
	to := map[netip.AddrPort]int{}
	for i := range trains {
		t := &trains[i]
		if shortest, known := to[t.To.Addr]; t.Refused.Count > 0 && (!known || t.Size < shortest) {
			to[t.To.Addr] = t.Size
		}
	}
	posted := r.post(func() {
		r.oversize.Store(false)
		r.shrinkSizes(to)
	})
	if !posted {
		r.oversize.Store(false)
	}
}

// shrinkSizes tells the engines of the paths that begin with some endpoints how long the frames were that the kernel refused.
func (r *Router) shrinkSizes(to map[netip.AddrPort]int) {
	for _, p := range r.peers {
		v, paths := wayTo(p), p.sizing.paths
		if !v.open() || v.path.route != nil && !v.hop.open() || len(paths) == 0 {
			continue
		}
		if length, refused := to[v.endpoint().Addr]; refused {
			paths[0].engine.TooLong(length + v.headers())
			r.touch(p)
		}
	}
}
