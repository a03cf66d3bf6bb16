package node

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/weftnet/weft/mesh"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/trust"
)

// errPeerPresent refuses to forget a peer that is there.
var errPeerPresent = errors.New("it is there: only a peer that is away can be forgotten; to shut one out, use 'weft peers revoke'")

// errPeerHeard refuses to forget a peer to which no path works, but which was heard just now.
var errPeerHeard = errors.New("no path to it works, but gossip takes it for alive still: if it is gone, try again in some seconds")

// serveForget answers 'weft peers forget'.
func (n *Node) serveForget(w http.ResponseWriter, r *http.Request) {
	done, err := n.forget(r)
	switch {
	case errors.Is(err, ErrUnknownPeer):
		http.Error(w, err.Error(), http.StatusNotFound)
	case errors.Is(err, errPeerPresent), errors.Is(err, errPeerHeard):
		http.Error(w, err.Error(), http.StatusConflict)
	default:
		reply(func() (*api.Forgotten, error) { return done, err })(w, r)
	}
}

// forget tells everybody to forget the peer that the query names.
func (n *Node) forget(r *http.Request) (*api.Forgotten, error) {
	peer, err := n.peerNamed(r.URL.Query().Get("peer"))
	if err != nil {
		return nil, err
	}
	id, err := trust.ParseFingerprint(peer.ID)
	if err != nil {
		return nil, err
	}
	switch err := n.mesh.Forget(r.Context(), id); {
	case errors.Is(err, mesh.ErrPresent):
		return nil, fmt.Errorf("%s: %w", peer.Name, whyPresent(peer.State))
	case errors.Is(err, mesh.ErrUnknown):
		return nil, fmt.Errorf("%w: %s has just been forgotten", ErrUnknownPeer, peer.Name)
	case err != nil:
		return nil, err
	}
	return &api.Forgotten{Name: peer.Name, ID: peer.ID, Subnets: peer.Subnets}, nil
}

// whyPresent is what speaks against forgetting a peer of a state that is there all the same.
func whyPresent(state string) error {
	if state == api.StateUp {
		return errPeerPresent
	}
	return errPeerHeard
}

// present reports whether a path to a node works: then the mesh forgets it by no means.
func (n *Node) present(id trust.Fingerprint) bool {
	n.state.mu.Lock()
	defer n.state.mu.Unlock()
	return n.state.plan != nil && n.state.plan.reach[id] > mesh.Awaited
}
