package node

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/weftnet/weft/mesh"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/metrics"
	"github.com/weftnet/weft/router"
)

// metricsPlace tells the server of the metrics that their address was changed.
type metricsPlace struct{ moved chan struct{} }

func newMetricsPlace() metricsPlace { return metricsPlace{make(chan struct{}, 1)} }

// move makes the server look at the configuration again. It never blocks.
func (p metricsPlace) move() {
	select {
	case p.moved <- struct{}{}:
	default:
	}
}

// serveMetrics offers the metrics where the configuration says, until ctx ends. That they cannot be offered stops nothing.
func (n *Node) serveMetrics(ctx context.Context) error {
	handler := metrics.NewHandler(n.scrape, n.healthy)
	for ctx.Err() == nil {
		n.serveMetricsAt(ctx, handler, n.config().Metrics)
	}
	return nil
}

// serveMetricsAt offers the metrics at one address until ctx ends or a reload names another. An empty one means: nowhere.
func (n *Node) serveMetricsAt(ctx context.Context, handler http.Handler, address string) {
	running, stop := context.WithCancel(ctx)
	var server sync.WaitGroup
	if address != "" {
		s := metrics.Server{Address: address, Handler: handler, Report: func(err error) { n.noteMetrics(address, err) }}
		server.Go(func() { s.Run(running) })
	}
	for ctx.Err() == nil && n.config().Metrics == address {
		select {
		case <-ctx.Done():
		case <-n.metrics.moved:
		}
	}
	stop()
	server.Wait()
	n.state.problem("metrics", "")
}

// scrape is the state for one scrape. It is that of status, but for the start: that has one time for good, whatever the clock
// says later, because alerts count how often it changes.
func (n *Node) scrape() (*api.Status, error) {
	s, err := n.Status()
	if err == nil {
		s.Node.Started = n.started
	}
	return s, err
}

// noteMetrics says whether the metrics are offered. An attempt that fails like the one before is no news.
func (n *Node) noteMetrics(address string, err error) {
	if err == nil {
		n.state.problem("metrics", "")
		n.log.Info("node.metrics.serving", "address", address)
		return
	}
	if n.state.problem("metrics", fmt.Sprintf("they are not served at %s: %v", address, err)) {
		n.log.Warn("node.metrics.unavailable", "address", address, "error", err)
	}
}

// healthPatience is how long control and lanes may take to answer.
const healthPatience = time.Second

// healthy asks control and every lane for an answer.
func (n *Node) healthy() error {
	ctx, cancel := context.WithTimeout(context.Background(), healthPatience)
	defer cancel()
	return n.router.Pulse(ctx)
}

// memberReport counts the other nodes.
func memberReport(v mesh.View) (r api.Members) {
	r.Known = len(v.Members)
	for _, m := range v.Members {
		switch {
		case m.Alive:
			r.Alive++
		case m.Left:
			r.Left++
		}
	}
	return r
}

// noteConfig notes that the configuration was read, at start or by a reload, and whether it is in force.
func (n *Node) noteConfig(err error) {
	n.state.mu.Lock()
	defer n.state.mu.Unlock()
	n.state.config.Rejected = err != nil
	if err == nil {
		n.state.config.Loaded = time.Now()
	}
}

// configReport needs the lock.
func (s *state) configReport() api.ConfigState {
	return api.ConfigState{Loaded: shown(s.config.Loaded), Rejected: s.config.Rejected}
}

func (n *Node) gossipReport() api.Gossip {
	c := n.mesh.Counters()
	return api.Gossip{Transport: c.Transport, Messages: c.Messages, Unsent: c.Unsent, Refused: c.Bad}
}

// keysReport fills in what is known of the handshakes with a peer.
func keysReport(r *api.Peer, p router.PeerStatus) {
	r.Session, r.Handshakes, r.Rekeys = !p.KeysBorn.IsZero(), p.History.Keys, p.History.Rekeys
	r.LastHandshake = shown(p.History.Last)
	if r.Session {
		r.Secret = p.Secret.Short()
	}
}
