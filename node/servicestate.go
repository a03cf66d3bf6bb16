package node

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/weftnet/weft/node/config"
)

// runService tells the service manager how the node is, until ctx ends: READY once the keeper has looked and a round trip
// through every lane has shown that packets move (that needs no peer), then a sentence whenever it changes, and signs of life.
func (n *Node) runService(ctx context.Context) error {
	s := n.service
	if !s.Managed() || !n.awaitReady(ctx) {
		return nil
	}
	said := n.serviceStatus()
	s.SetReady(said)
	watchdog := s.Watchdog()
	defer watchdog.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.Looked():
			if status := n.serviceStatus(); status != said {
				s.Notify(status)
				said = status
			}
		case <-watchdog.Due:
			n.watch(ctx, watchdog.Answer)
		}
	}
}

// awaitReady waits until the node does its work; false: it stops.
func (n *Node) awaitReady(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-n.service.Looked():
		return n.router.Pulse(ctx) == nil
	}
}

// serviceStatus is the node in one sentence, as 'systemctl status' shows it.
func (n *Node) serviceStatus() string {
	n.state.mu.Lock()
	defer n.state.mu.Unlock()
	own, reached := "no subnet yet", ""
	if p := n.state.plan; p != nil {
		if len(p.kernel.Own) > 0 {
			own = strings.Join(config.Texts(p.kernel.Own), ", ")
		}
		reached = fmt.Sprintf("; %d of %s reached", p.reached, counted(len(p.table.Peers), "peer"))
	}
	degraded := ""
	if len(n.state.problems) > 0 {
		list := slices.Sorted(maps.Keys(n.state.problems))
		degraded = fmt.Sprintf("; degraded: %s ('weft status' says why)", strings.Join(list, ", "))
	}
	return "STATUS=" + own + reached + degraded
}

// watch gives a sign of life if control and every lane answer in time. Without signs the manager ends the node and starts it
// again.
func (n *Node) watch(ctx context.Context, answer time.Duration) {
	round, cancel := context.WithTimeout(ctx, answer)
	defer cancel()
	err := n.router.Pulse(round)
	switch {
	case err == nil:
		n.service.Notify(daemon.SdNotifyWatchdog)
		if n.state.problem("watchdog", "") {
			n.log.Info("node.watchdog.answered")
		}
	case ctx.Err() != nil: // it stops
	case n.state.problem("watchdog", err.Error()):
		n.log.Error("node.watchdog.silent", "error", err, "after", answer)
	}
}
