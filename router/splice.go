package router

import (
	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/trust"
)

// SendSplice asks a peer, by its path, to open a stream to this node that answers id. The error is ErrPeerDown, ErrPeerOlder or
// ErrStopped.
func (r *Router) SendSplice(to trust.Fingerprint, id uint64) error {
	return r.sendCapable(to, encap.CapSplice, encap.SpliceCall, encap.SpliceBody{ID: id}.Append(nil))
}

// takeSplice passes on that a peer asks for a stream.
func (r *Router) takeSplice(p *peer, body []byte) {
	b, err := encap.ParseSplice(body)
	if err != nil {
		r.ctl.drop(BadFrame, 1)
		return
	}
	if r.cfg.Splice != nil {
		r.cfg.Splice(p.id, b.ID)
	}
}
