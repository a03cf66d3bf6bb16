package node

import (
	"context"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// watchdog says when a sign of life is due.
type watchdog struct {
	answer time.Duration // how long a round trip may take
	due    <-chan time.Time
	ticker *time.Ticker // nil: no sign is wanted
}

// newWatchdog makes two signs due in the time that the manager waits, as sd_watchdog_enabled(3) advises. A round trip that takes
// three quarters of the time between them has failed: so the log names who is silent before the manager ends the node.
func newWatchdog(patience time.Duration) *watchdog {
	period := patience / 2
	if period <= 0 {
		return &watchdog{}
	}
	ticker := time.NewTicker(period)
	return &watchdog{answer: period * 3 / 4, due: ticker.C, ticker: ticker}
}

func (w *watchdog) stop() {
	if w.ticker != nil {
		w.ticker.Stop()
	}
}

// watch gives a sign of life if control and every lane answer in time. Without signs the manager ends the node and starts it
// again.
func (n *Node) watch(ctx context.Context, answer time.Duration) {
	round, cancel := context.WithTimeout(ctx, answer)
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
		n.log.Error("node.watchdog.silent", "error", err, "after", answer)
	}
}
