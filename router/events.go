package router

import (
	"net/netip"

	"github.com/weftnet/weft/trust"
)

// EventKind says what happened.
type EventKind uint8

// The kinds of events.
const (
	PathUp            EventKind = iota // packets flow to the peer
	PathDown                           // they do not; Reason says why
	PathMoved                          // the peer's endpoint changed
	Refused                            // a handshake was refused; Reason names the setting
	PathRelayed                        // packets to the peer go through relays, or through others; Reason says why
	PathDirect                         // they go straight again; Reason says why
	DeviceLost                         // the device is gone or broken; Attach a new one
	HandshakesLimited                  // initiations have to prove their sender's address; Reason says why, or is empty when they need not any more
	PathResized                        // what the path to the peer carries changed
	Misdated                           // gossip of the peer without a session was of another day; Reason says of which
)

// Event is one change. Peer, Name and Endpoint are set where a peer is meant.
type Event struct {
	Kind     EventKind
	Peer     trust.Fingerprint
	Name     string
	Endpoint netip.AddrPort
	Reason   string
}

func (r *Router) emit(e Event) {
	if r.cfg.Events != nil {
		r.cfg.Events(e)
	}
}
