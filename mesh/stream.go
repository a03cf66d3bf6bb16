package mesh

import (
	"net"
	"net/netip"
	"time"

	"github.com/weftnet/weft/trust"
)

// Stream is an authenticated gossip stream to a peer that has said who it is.
type Stream interface {
	net.Conn
	Remote() Remote
}

// Remote is what the other end of a stream said about itself, authenticated.
type Remote struct {
	ID       trust.Fingerprint
	Keys     trust.PublicKeys
	Boot     trust.BootNonce
	Name     string
	Uptime   time.Duration  // since its daemon started
	Addr     netip.AddrPort // the address we see it at, with the port it listens on
	Observed netip.AddrPort // how it sees us
}
