package service

import "time"

// Watchdog says when a sign of life is due.
type Watchdog struct {
	Answer time.Duration    // how long a round trip may take
	Due    <-chan time.Time // nil: no sign is wanted
	ticker *time.Ticker     // nil: no sign is wanted
}

// newWatchdog makes two signs due in the time that the manager waits, as sd_watchdog_enabled(3) advises. A round trip that takes
// three quarters of the time between them has failed: so the log names who is silent before the manager ends the node.
func newWatchdog(patience time.Duration) *Watchdog {
	period := patience / 2
	if period <= 0 {
		return &Watchdog{}
	}
	ticker := time.NewTicker(period)
	return &Watchdog{Answer: period * 3 / 4, Due: ticker.C, ticker: ticker}
}

// Stop ends it: Due delivers no more.
func (w *Watchdog) Stop() {
	if w.ticker != nil {
		w.ticker.Stop()
	}
}
