package router

import (
	"fmt"
	"strings"

	"github.com/weftnet/weft/trust"
)

// What the log says of a path: that it is relayed, once that works, and that a peer is down, once nothing does. What is tried in between,
// and leads nowhere, is in the last line.

// tellRelayed says that packets to a peer go through relays, once a probe was answered there.
func (r *Router) tellRelayed(p *peer) {
	w := &p.relay
	w.proven, w.logged, w.vain = true, true, nil
	r.log.Warn("router.path.relayed", "peer", p.config.Name, "id", p.id.Short(), "via", r.viaText(w.names), "reason", p.why)
}

// tellDown says that a peer is not reached any more, which is expected of one that stopped in order. relayed: the log has said that it was
// reached through relays.
func (r *Router) tellDown(p *peer, relayed bool) {
	endpoint := "relay"
	if !relayed {
		endpoint = endpointText(p.at())
	}
	if p.away {
		r.log.Info("router.path.down", "peer", p.config.Name, "id", p.id.Short(), "endpoint", endpoint, "heard", p.lastHeard(r), "reason", p.reason, "next", r.nextOf(p))
		return
	}
	r.log.Warn("router.path.down", "peer", p.config.Name, "id", p.id.Short(), "endpoint", endpoint, "heard", p.lastHeard(r), "reason", p.reason, "next", r.nextOf(p))
}

// nextOf says what this node does about a peer that is down.
func (r *Router) nextOf(p *peer) string {
	if r.peers[p.id] != p {
		return "nothing"
	}
	return fmt.Sprintf("it is called again and again, every %v at most", r.timing.CallMax)
}

// whyDown says why a peer is not reached any more that was: what was tried, and who could help and does not.
func (r *Router) whyDown(p *peer) string {
	text := p.fault
	if text == "" {
		text = "no direct path was found"
	}
	if vain := p.relay.vain; len(vain) > 0 {
		text += ", nor any through " + r.routesText(vain)
	}
	if _, _, ok := r.links.engine.Routes(p.id); ok {
		return text
	}
	if len(r.peers) < 2 { // nobody who could be asked
		return text
	}
	if refusing := r.refusing(p); len(refusing) > 0 {
		return text + "; " + RefusingText(refusing)
	}
	return text + "; no other node says that it reaches it"
}

// routesText names the relays of routes.
func (r *Router) routesText(routes [][]trust.Fingerprint) string {
	texts := make([]string, 0, len(routes))
	for _, relays := range routes {
		texts = append(texts, r.viaText(relays))
	}
	return strings.Join(texts, " or ")
}

// refusing are the names of the nodes that could relay to a peer which no way leads to, and refuse. nil: there are none, or a way.
func (r *Router) refusing(p *peer) []string {
	return r.namesOf(r.links.engine.Refusing(p.id))
}

// RefusingText says in words that nodes of these names refuse to relay to a peer that they reach.
func RefusingText(names []string) string {
	return strings.Join(names, ", ") + " would reach it, and may not relay (relay: refuse)"
}
