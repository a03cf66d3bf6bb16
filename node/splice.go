package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/mesh"
	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/router"
	"github.com/weftnet/weft/trust"
)

const (
	directFirst   = time.Second            // that a node's own addresses are called alone, where they answer at present
	directBriefly = 100 * time.Millisecond // the same, where they do not
	maxVias       = 3                      // peers that are asked to join a stream, one after the other
	viaTime       = 2 * time.Second        // that one of them has
	maxAnswerAt   = 4                      // addresses of a peer that are called because it asked for a stream
	spliceWorkers = 4                      // peers that are answered at once
	spliceQueue   = 16                     // calls of peers that wait
)

var errNoVia = errors.New("no peer joins streams at present")

// splicing is this node's part in gossip streams that a peer joins, for two that cannot call each other: it asks peers for them,
// joins those of others, and calls peers that ask for a stream. Its methods may be called from any goroutine.
type splicing struct {
	n     *Node
	calls chan spliceCall

	mu        sync.Mutex // guards what follows
	answering map[spliceCall]bool
	told      map[trust.Fingerprint]bool // streams to these nodes go through peers, as was logged
}

// spliceCall is a peer's request for a stream.
type spliceCall struct {
	from trust.Fingerprint
	id   uint64
}

func newSplicing(n *Node) *splicing {
	return &splicing{
		n: n, calls: make(chan spliceCall, spliceQueue), answering: map[spliceCall]bool{},
		told: map[trust.Fingerprint]bool{},
	}
}

// member is what the mesh knows of a node.
func (n *Node) member(id trust.Fingerprint) (mesh.Member, bool) {
	n.state.mu.Lock()
	members := n.state.view.Members
	n.state.mu.Unlock()
	i := slices.IndexFunc(members, func(m mesh.Member) bool { return m.ID == id })
	if i < 0 {
		return mesh.Member{}, false
	}
	return members[i], true
}

// splices reports whether the build of a member knows streams that a peer joins.
func splices(m mesh.Member) bool { return m.Claim != nil && m.Claim.Capabilities&encap.CapSplice != 0 }

// streamsAt is where a peer with a path accepts streams: the end of its path, if the peer claims that endpoint. Behind a NAT it is
// seen at another port, where nobody accepts anything.
func (n *Node) streamsAt(p router.PeerStatus) netip.AddrPort {
	if p.Up && slices.Contains(n.claimedBy(p.ID), p.Endpoint) {
		return p.Endpoint
	}
	return netip.AddrPort{}
}

// peersByRTT are the peers with a path, the nearest first.
func (n *Node) peersByRTT() []router.PeerStatus {
	list, _ := n.router.Peers() // a router that has stopped has none
	list = slices.DeleteFunc(list, func(p router.PeerStatus) bool { return !p.Up })
	slices.SortStableFunc(list, func(a, b router.PeerStatus) int { return cmp.Compare(a.RTT, b.RTT) })
	return list
}

// way says how a stream may be joined to one of the node to. It is encap.StreamsConfig.Way.
func (s *splicing) way(_, to trust.Fingerprint) (encap.SpliceWay, error) {
	if s.n.config().Relay == config.RelayRefuse {
		return encap.SpliceWay{}, errors.New("it joins no streams of others (relay: refuse)")
	}
	m, ok := s.n.member(to)
	if !ok {
		return encap.SpliceWay{}, errors.New("it does not know the node")
	}
	if !splices(m) {
		return encap.SpliceWay{}, fmt.Errorf("%s runs an older build, which takes no joined streams", m.Name)
	}
	peers := s.n.peersByRTT()
	i := slices.IndexFunc(peers, func(p router.PeerStatus) bool { return p.ID == to })
	if i < 0 {
		return encap.SpliceWay{}, fmt.Errorf("it has no path to %s", m.Name)
	}
	ask := func(id uint64) error { return s.n.router.SendSplice(to, id) }
	return encap.SpliceWay{At: s.n.streamsAt(peers[i]), Ask: ask}, nil
}

// dial opens a gossip stream to a node: at its addresses, and where these do not answer soon, through a peer.
func (s *splicing) dial(ctx context.Context, to trust.Fingerprint, at []netip.AddrPort) (*encap.Stream, error) {
	if m, ok := s.n.member(to); !ok || !m.Alive || !splices(m) {
		s.untell(to)
		return s.n.dialFirst(ctx, trust.Fingerprint{}, at)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan dialed, 2)
	start := func(dial func() (*encap.Stream, error)) {
		go func() {
			stream, err := dial()
			results <- dialed{stream, err}
		}()
	}
	start(func() (*encap.Stream, error) {
		stream, err := s.n.dialFirst(ctx, to, at)
		if err == nil {
			s.untell(to)
		}
		return stream, err
	})
	through := func() (*encap.Stream, error) { return s.dialThrough(ctx, to) }
	alone := time.NewTimer(s.patience(to))
	defer alone.Stop()
	var failed error
	for asked, pending := false, 1; pending > 0; {
		select {
		case r := <-results:
			pending--
			if r.err == nil {
				cancel()
				go closeRest(results, pending)
				return r.stream, nil
			}
			failed = bothFailed(failed, r.err)
		case <-alone.C:
		}
		if !asked {
			asked, pending = true, pending+1
			start(through)
		}
	}
	return nil, failed
}

// bothFailed is one line for two errors, or one.
func bothFailed(first, second error) error {
	if first == nil {
		return second
	}
	return fmt.Errorf("%w; %w", first, second)
}

// patience is how long a node's own addresses are called alone.
func (s *splicing) patience(to trust.Fingerprint) time.Duration {
	if slices.ContainsFunc(s.n.peersByRTT(), func(p router.PeerStatus) bool { return p.ID == to && s.n.streamsAt(p).IsValid() }) {
		return directFirst
	}
	return directBriefly
}

// dialThrough opens a stream through the first peer that joins one.
func (s *splicing) dialThrough(ctx context.Context, to trust.Fingerprint) (*encap.Stream, error) {
	err := errNoVia
	tries := 0
	for _, via := range s.n.peersByRTT() {
		at := s.n.streamsAt(via)
		m, _ := s.n.member(via.ID)
		if via.ID == to || !at.IsValid() || !splices(m) || tries == maxVias {
			continue
		}
		tries++
		var stream *encap.Stream
		asking, cancel := context.WithTimeout(ctx, viaTime)
		stream, err = s.n.streams.DialThrough(asking, at, to)
		cancel()
		if err == nil {
			s.tell(to, via)
			return stream, nil
		}
	}
	return nil, fmt.Errorf("through a peer: %w", err)
}

// tell logs that streams to a node go through a peer, once until they do without: which peer it is changes with every round trip.
func (s *splicing) tell(to trust.Fingerprint, via router.PeerStatus) {
	s.mu.Lock()
	known := s.told[to]
	s.told[to] = true
	s.mu.Unlock()
	if m, ok := s.n.member(to); ok && !known {
		s.n.log.Info("node.stream.through", "peer", m.Name, "via", via.Name)
	}
}

// untell notes that a node is reached without a peer.
func (s *splicing) untell(to trust.Fingerprint) {
	s.mu.Lock()
	delete(s.told, to)
	s.mu.Unlock()
}

// hear takes a peer's request for a stream. It never blocks: what is too much is not answered, and the peer asks again.
func (s *splicing) hear(from trust.Fingerprint, id uint64) {
	call := spliceCall{from, id}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.answering[call] {
		return
	}
	select {
	case s.calls <- call:
		s.answering[call] = true
	default:
	}
}

// run answers requests until ctx ends.
func (s *splicing) run(ctx context.Context) error {
	var workers errgroup.Group
	for range spliceWorkers {
		workers.Go(func() error {
			for {
				select {
				case <-ctx.Done():
					return nil
				case call := <-s.calls:
					s.answer(ctx, call)
				}
			}
		})
	}
	return workers.Wait()
}

// answer opens the stream that a peer asked for. Whom the peer joins to it is taken as whoever calls this node.
func (s *splicing) answer(ctx context.Context, call spliceCall) {
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.answering, call)
	}()
	at := s.n.claimedBy(call.from)
	for _, addr := range at[:min(len(at), maxAnswerAt)] {
		if stream, err := s.n.streams.Answer(ctx, addr, call.from, call.id); err == nil {
			go s.n.acceptStream(stream)
			return
		}
	}
}
