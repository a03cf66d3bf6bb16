package node

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/router"
	"github.com/weftnet/weft/trust"
)

// dialbacks finds out whether strangers reach this node where it says it is: it asks a peer to call it there from ports that
// no firewall on the way has seen, and does the same for peers.
//
// A peer is called only at the endpoints of its own claim, a bounded number of times, and not again before dialPause. Only
// members can ask: requests are sealed frames of a session.
type dialbacks struct {
	n        *Node
	requests chan router.DialMessage

	mu     sync.Mutex // guards what follows
	asked  map[uint64]*dialback
	served map[trust.Fingerprint]servedDial
}

// dialback is one that this node asked for.
type dialback struct {
	peer   trust.Fingerprint
	called map[netip.AddrPort]bool // our endpoints at which a call arrived; guarded by dialbacks.mu
	answer chan encap.DialBody     // the first one
}

// servedDial is the latest request of a peer that was taken.
type servedDial struct {
	id uint64
	at time.Time
}

const (
	dialWorkers  = 4                      // requests served at once
	dialQueue    = 8                      // that wait; further ones are not answered
	dialPause    = 2 * time.Second        // between two requests of one peer
	dialTries    = 3                      // frames of one call, and requests
	dialGap      = 200 * time.Millisecond // between the frames of a call
	dialTimeout  = 2 * time.Second        // of a TCP call: a lost SYN is sent again after 1 s
	askGap       = time.Second            // between requests
	dialPatience = 9 * time.Second        // until a request counts as not answered: calls of others may be served first
)

func newDialbacks(n *Node) *dialbacks {
	return &dialbacks{
		n: n, requests: make(chan router.DialMessage, dialQueue),
		asked: map[uint64]*dialback{}, served: map[trust.Fingerprint]servedDial{},
	}
}

// hear takes a frame from the router, in its control goroutine.
func (d *dialbacks) hear(m router.DialMessage) {
	if m.Kind == encap.DialRequest {
		select {
		case d.requests <- m:
		default: // who asks says that there was no answer
		}
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	waiting := d.asked[m.Body.ID]
	if waiting == nil || waiting.peer != m.From {
		return
	}
	if m.Kind == encap.DialBack {
		waiting.called[m.Body.To] = true
		return
	}
	select {
	case waiting.answer <- m.Body:
	default: // a second one
	}
}

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
	body, called, err := n.dialbacks.ask(ctx, id)
	r := &api.DialBack{Peer: peer.Name, ID: peer.ID, By: api.DialedByNobody, Endpoints: []api.DialedEndpoint{}}
	switch {
	case errors.Is(err, router.ErrPeerDown):
		r.By, r.Why = api.DialedBySelf, fmt.Sprintf("there is no path to %s that it could be asked by", peer.Name)
		r.Endpoints = n.dialbacks.fromHere(ctx, id)
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
		r.Why = fmt.Sprintf("%s did not answer within %v", r.Peer, dialPatience)
	case body.Status == encap.DialBusy:
		r.Why = fmt.Sprintf("%s was asked too often: try again in %v", r.Peer, dialPause)
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
		return found, fmt.Errorf("%w: there is no peer %q (there are: %s)", ErrUnknownPeer, name, cmp.Or(strings.Join(names, ", "), "none"))
	}
	return found, fmt.Errorf("%w: %d peers are called %q: use the beginning of an id (%s)", ErrUnknownPeer, len(ids), name, strings.Join(ids, ", "))
}

// ask asks a peer and waits for its answer; nil: there was none in time. called are our endpoints at which calls arrived.
func (d *dialbacks) ask(ctx context.Context, peer trust.Fingerprint) (body *encap.DialBody, called map[netip.AddrPort]bool, err error) {
	id, waiting, err := d.begin(peer)
	if err != nil {
		return nil, nil, err
	}
	defer d.end(id)
	again := time.NewTicker(askGap)
	defer again.Stop()
	patience := time.NewTimer(dialPatience)
	defer patience.Stop()
	for tries := 0; ; tries++ {
		if tries < dialTries {
			if err := d.n.router.SendDial(peer, encap.DialRequest, encap.DialBody{ID: id}); err != nil {
				return nil, nil, err
			}
		}
		select {
		case answer := <-waiting.answer:
			return &answer, waiting.called, nil
		case <-patience.C:
			return nil, nil, nil
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		case <-again.C:
		}
	}
}

// begin notes a dial-back under an id that nobody can guess.
func (d *dialbacks) begin(peer trust.Fingerprint) (id uint64, waiting *dialback, err error) {
	var raw [8]byte
	if _, err := io.ReadFull(d.n.platform.Random, raw[:]); err != nil {
		return 0, nil, fmt.Errorf("node: dial back: %w", err)
	}
	id = binary.BigEndian.Uint64(raw[:])
	waiting = &dialback{peer: peer, called: map[netip.AddrPort]bool{}, answer: make(chan encap.DialBody, 1)}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked[id] = waiting
	return id, waiting, nil
}

// end forgets a dial-back: nobody writes to what was called any more.
func (d *dialbacks) end(id uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.asked, id)
}

// fromHere calls a peer that has no path at its endpoints, by TCP: UDP is tried all the time, without an answer.
func (d *dialbacks) fromHere(ctx context.Context, peer trust.Fingerprint) []api.DialedEndpoint {
	at := d.claimed(peer)
	list := make([]api.DialedEndpoint, len(at))
	var calls sync.WaitGroup
	for i, endpoint := range at {
		list[i] = api.DialedEndpoint{Endpoint: endpoint, UDP: api.DialLost}
		calls.Go(func() { list[i].TCP = d.callTCP(ctx, peer, endpoint).String() })
	}
	calls.Wait()
	return list
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
