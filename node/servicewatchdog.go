package node

import (
	"context"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// watchdog says when a sign of life is due.
type watchdog struct {
	period time.Duration // of the round trips: half of what the manager waits
	due    <-chan time.Time
	ticker *time.Ticker // nil: no sign is wanted
}

func newWatchdog(patience time.Duration) *watchdog {
	if patience/2 <= 0 {
		return &watchdog{}
	}
	ticker := time.NewTicker(patience / 2)
	return &watchdog{period: patience / 2, due: ticker.C, ticker: ticker}
}

func (w *watchdog) stop() {
	if w.ticker != nil {
		w.ticker.Stop()
	}
}

// watch gives a sign of life if control and every lane answer within the period. Without signs the manager ends the node and
// starts it again.
func (n *Node) watch(ctx context.Context, period time.Duration) {
	round, cancel := context.WithTimeout(ctx, period)
	defer cancel()
	err := n.router.Pulse(round)
	switch {
	case err == nil:
		n.service.notify(daemon.SdNotifyWatchdog)
		if n.state.problem("watchdog", "") {
			n.log.Info("node.watchdog.answered")
		}
	case ctx.Err() != nil: // it stops
	case n.state.problem("watchdog", err.Error()):
		n.log.Error("node.watchdog.silent", "error", err, "after", period)
	}
}
