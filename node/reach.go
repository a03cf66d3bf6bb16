package node

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/router"
	"github.com/weftnet/weft/trust"
)

// reachability finds out, for peers that UDP does not reach straight, whether TCP does: that tells a blocked port from a dead
// host.
type reachability struct {
	n       *Node
	mu      sync.Mutex // guards results
	results map[trust.Fingerprint]tcpResult
}

type tcpResult struct {
	at  time.Time
	err error
}

const (
	checkPeriod   = 10 * time.Second
	checkPatience = 3 * time.Second // how long a peer is down before its TCP port is tried
	checkTimeout  = 3 * time.Second
)

func newReachability(n *Node) *reachability {
	return &reachability{n: n, results: map[trust.Fingerprint]tcpResult{}}
}

// run tries the peers that are not reached straight every checkPeriod, until ctx ends.
func (c *reachability) run(ctx context.Context) error {
	tick := time.NewTicker(checkPatience)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			c.round(ctx)
		}
	}
}

func (c *reachability) round(ctx context.Context) {
	peers, err := c.n.router.Peers()
	if err != nil {
		return
	}
	for _, p := range peers {
		if p.Up && !p.IsRelayed() || time.Since(latest(p.Since, p.Pathed)) < checkPatience {
			c.forget(p)
			continue
		}
		if c.due(p.ID) {
			c.check(ctx, p)
		}
	}
}

func (c *reachability) forget(p router.PeerStatus) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.results, p.ID)
}

func (c *reachability) due(id trust.Fingerprint) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Since(c.results[id].at) >= checkPeriod
}

func (c *reachability) check(ctx context.Context, p router.PeerStatus) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	var at []netip.AddrPort
	for _, a := range p.Tried {
		at = append(at, a.Endpoint)
	}
	if len(at) == 0 {
		return // not called yet
	}
	s, err := c.n.dialFirst(ctx, trust.Fingerprint{}, at)
	if err == nil {
		if remote := s.Remote(); remote.Keys.Fingerprint() != p.ID {
			err = fmt.Errorf("%s answers there, another node", remote.Name)
		}
		s.Close()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.results[p.ID] = tcpResult{time.Now(), err}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// explain lists what was tried to reach a peer straight that is down, or reached through relays.
func (c *reachability) explain(p router.PeerStatus) []string {
	lines := make([]string, 0, len(p.Tried)+1)
	for _, a := range p.Tried {
		lines = append(lines, fmt.Sprintf("UDP to %s: %s in %s, no answer", a.Endpoint, counted(a.Calls, "call"), time.Since(a.First).Truncate(time.Second)))
	}
	if w := p.OneWay; w.Calls > 0 {
		lines = append(lines, fmt.Sprintf("its calls arrive from %s, %d since %s, and our answers do not reach it: something lets packets pass in one direction only",
			w.Endpoint, w.Calls, shown(w.First).Format(time.RFC3339)))
	}
	if len(p.Refusing) > 0 {
		lines = append(lines, router.RefusingText(p.Refusing))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch r, ok := c.results[p.ID]; {
	case !ok:
	case r.err == nil:
		lines = append(lines, "TCP works, UDP does not: is UDP blocked between the two hosts?")
	case errors.As(r.err, new(*encap.RefusedError)):
		lines = append(lines, fmt.Sprintf("TCP works: %v", r.err))
	default:
		lines = append(lines, "TCP does not work either: "+strings.TrimPrefix(r.err.Error(), "encap: "))
	}
	return lines
}
