package node

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/mesh"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/dialback"
	"github.com/weftnet/weft/router"
	"github.com/weftnet/weft/trust"
)

// ErrUnknownPeer says that no peer, or more than one, has the name that was asked for.
var ErrUnknownPeer = errors.New("node: unknown peer")

// DialBack has a peer call this node at its own endpoints. The peer is named by its name, or by the beginning of its id; else
// the error is ErrUnknownPeer. Where the peer cannot be asked, the result says why, and what this node sees of the peer.
func (n *Node) DialBack(ctx context.Context, name string) (*api.DialBack, error) {
	peer, err := n.peerNamed(name)
	if err != nil {
		return nil, err
	}
	id, err := trust.ParseFingerprint(peer.ID)
	if err != nil {
		return nil, err
	}
	body, called, err := n.dialbacks.Ask(ctx, id)
	r := &api.DialBack{Peer: peer.Name, ID: peer.ID, By: api.DialedByNobody, Endpoints: []api.DialedEndpoint{}}
	switch {
	case errors.Is(err, router.ErrPeerDown):
		r.By, r.Why = api.DialedBySelf, fmt.Sprintf("there is no path to %s that it could be asked by", peer.Name)
		r.Endpoints = n.dialbacks.FromHere(ctx, id)
	case errors.Is(err, router.ErrPeerOlder):
		r.Why = fmt.Sprintf("%s runs an older build, which does not call back", peer.Name)
	case err != nil:
		return nil, err
	default:
		answered(r, body, called)
	}
	return r, nil
}

// answered completes the result with a peer's answer; nil: there was none.
func answered(r *api.DialBack, body *encap.DialBody, called map[netip.AddrPort]bool) {
	switch {
	case body == nil:
		r.Why = fmt.Sprintf("%s did not answer within %v", r.Peer, dialback.Patience)
	case body.Status == encap.DialBusy:
		r.Why = fmt.Sprintf("%s was asked too often: try again in %v", r.Peer, dialback.Pause)
	case body.Status != encap.DialDone:
		r.Why = fmt.Sprintf("%s knows no endpoint of this node", r.Peer)
	default:
		r.By, r.Endpoints = api.DialedByPeer, dialedEndpoints(body.Dialed, called)
	}
}

// peerNamed finds the one peer of a name, or whose id begins so.
func (n *Node) peerNamed(name string) (found api.Peer, err error) {
	peers, err := n.Peers()
	if err != nil {
		return found, err
	}
	var names, ids []string
	for _, p := range peers {
		names = append(names, p.Name)
		if p.Name == name || len(name) >= 8 && strings.HasPrefix(p.ID, name) {
			found, ids = p, append(ids, p.ID)
		}
	}
	switch len(ids) {
	case 1:
		return found, nil
	case 0:
		if own := n.identity.Fingerprint().String(); name == n.config().Name || len(name) >= 8 && strings.HasPrefix(own, name) {
			return found, fmt.Errorf("%w: %q is this node itself", ErrUnknownPeer, name)
		}
		return found, fmt.Errorf("%w: there is no peer %.64q (%s)", ErrUnknownPeer, name, listed(names))
	}
	return found, fmt.Errorf("%w: %d peers are called %q: use the beginning of an id (%s)", ErrUnknownPeer, len(ids), name, strings.Join(ids, ", "))
}

// maxListed bounds the names in an error: one line is to be read.
const maxListed = 10

// listed says which peers there are.
func listed(names []string) string {
	switch {
	case len(names) == 0:
		return "there are none"
	case len(names) > maxListed:
		return fmt.Sprintf("there are: %s and %d others, see 'weft peers'", strings.Join(names[:maxListed], ", "), len(names)-maxListed)
	}
	return "there are: " + strings.Join(names, ", ")
}

// dialedEndpoints joins what the peer saw with the calls that arrived.
func dialedEndpoints(dialed []encap.Dialed, called map[netip.AddrPort]bool) []api.DialedEndpoint {
	list := make([]api.DialedEndpoint, 0, len(dialed))
	for _, x := range dialed {
		e := api.DialedEndpoint{Endpoint: x.Endpoint, UDP: x.UDP.String(), TCP: x.TCP.String()}
		switch {
		case called[x.Endpoint]:
			e.UDP = encap.DialOK.String()
		case x.UDP == encap.DialOK:
			e.UDP = api.DialLost
		}
		list = append(list, e)
	}
	return list
}

// claimedBy are the endpoints that a member claims for itself, without those inside the overlay.
func (n *Node) claimedBy(id trust.Fingerprint) []netip.AddrPort {
	n.state.mu.Lock()
	members := n.state.view.Members
	n.state.mu.Unlock()
	i := slices.IndexFunc(members, func(m mesh.Member) bool { return m.ID == id })
	if i < 0 || members[i].Claim == nil {
		return nil
	}
	return n.underlayOnly(members[i].Claim.Endpoints)
}
