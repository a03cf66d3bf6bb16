// Package dialback has peers call a node at the endpoints that it claims, and calls peers that ask for it: so a node finds out
// whether strangers reach it where it says it is.
package dialback

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/router"
	"github.com/weftnet/weft/trust"
)

// Service asks peers to call this node where it says it is, from ports that no firewall on the way has seen, and does the same
// for peers. Hear, Ask and FromHere may be called from any goroutine.
//
// A peer is called only at the endpoints of its own claim, a bounded number of times, and not again before Pause. Only
// members can ask: requests are sealed frames of a session.
type Service struct {
	cfg      Config
	requests chan router.DialMessage

	mu     sync.Mutex // guards what follows
	asked  map[uint64]*dialback
	served map[trust.Fingerprint]servedDial
}

// dialback is one that this node asked for.
type dialback struct {
	peer   trust.Fingerprint
	called map[netip.AddrPort]bool // our endpoints at which a call arrived; guarded by Service.mu
	answer chan encap.DialBody     // the first one
}

// servedDial is the latest request of a peer that was taken.
type servedDial struct {
	id uint64
	at time.Time
}

const (
	// Pause is how long a peer is not called again after it asked.
	Pause = 2 * time.Second
	// Patience is how long a request waits for its answer: calls of others may be served first.
	Patience = 9 * time.Second

	dialWorkers = 4                      // requests served at once
	dialQueue   = 8                      // that wait; further ones are not answered
	dialTries   = 3                      // frames of one call, and requests
	dialGap     = 200 * time.Millisecond // between the frames of a call
	dialTimeout = 2 * time.Second        // of a TCP call: a lost SYN is sent again after 1 s
	askGap      = time.Second            // between requests
)

// Config is what a Service works with.
type Config struct {
	Router  Router
	Streams Streams
	Dialer  encap.Dialer // opens the UDP sockets that peers are called from
	Random  io.Reader    // read from many goroutines
	Log     *slog.Logger
	// Claimed are the endpoints that a member claims for itself, without those inside the overlay. It is called from many
	// goroutines.
	Claimed func(trust.Fingerprint) []netip.AddrPort
}

// Router sends the frames; *router.Router is one.
type Router interface {
	SendDial(to trust.Fingerprint, kind encap.ControlKind, body encap.DialBody) error
	SealDialBack(to trust.Fingerprint, body encap.DialBody) ([]byte, error)
}

// Streams opens streams; *encap.Streams is one.
type Streams interface {
	Dial(ctx context.Context, to netip.AddrPort) (*encap.Stream, error)
}

// New makes a Service, which serves peers while Run runs.
func New(cfg Config) *Service {
	return &Service{
		cfg: cfg, requests: make(chan router.DialMessage, dialQueue),
		asked: map[uint64]*dialback{}, served: map[trust.Fingerprint]servedDial{},
	}
}

// Hear takes a frame from the router. It never blocks.
func (d *Service) Hear(m router.DialMessage) {
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

// Ask asks a peer and waits for its answer; nil: there was none in time. called are our endpoints at which calls arrived.
func (d *Service) Ask(ctx context.Context, peer trust.Fingerprint) (body *encap.DialBody, called map[netip.AddrPort]bool, err error) {
	id, waiting, err := d.begin(peer)
	if err != nil {
		return nil, nil, err
	}
	defer d.end(id)
	again := time.NewTicker(askGap)
	defer again.Stop()
	patience := time.NewTimer(Patience)
	defer patience.Stop()
	for tries := 0; ; tries++ {
		if tries < dialTries {
			if err := d.cfg.Router.SendDial(peer, encap.DialRequest, encap.DialBody{ID: id}); err != nil {
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
func (d *Service) begin(peer trust.Fingerprint) (id uint64, waiting *dialback, err error) {
	var raw [8]byte
	if _, err := io.ReadFull(d.cfg.Random, raw[:]); err != nil {
		return 0, nil, fmt.Errorf("dialback: make an id: %w", err)
	}
	id = binary.BigEndian.Uint64(raw[:])
	waiting = &dialback{peer: peer, called: map[netip.AddrPort]bool{}, answer: make(chan encap.DialBody, 1)}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked[id] = waiting
	return id, waiting, nil
}

// end forgets a dial-back: nobody writes to what was called any more.
func (d *Service) end(id uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.asked, id)
}

// FromHere calls a peer that has no path at its endpoints, by TCP: UDP is tried all the time, without an answer.
func (d *Service) FromHere(ctx context.Context, peer trust.Fingerprint) []api.DialedEndpoint {
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
