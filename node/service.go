package node

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/node/config"
)

// service is what the node says to its service manager. Without one it says nothing.
type service struct {
	manager ServiceManager // nil: none
	log     *slog.Logger
	looked  chan struct{} // the keeper has looked
	ready   atomic.Bool   // READY=1 was sent
	unheard atomic.Bool   // the last Notify failed
}

func newService(manager ServiceManager, log *slog.Logger) *service {
	return &service{manager: manager, log: log, looked: make(chan struct{}, 1)}
}

// keeperLooked makes runService look, too. It never blocks.
func (s *service) keeperLooked() {
	select {
	case s.looked <- struct{}{}:
	default:
	}
}

// notify tells the manager. That it does not hear is logged once: the node itself does not depend on it.
func (s *service) notify(lines ...string) {
	if s.manager == nil {
		return
	}
	err := s.manager.Notify(strings.Join(lines, "\n"))
	if before := s.unheard.Swap(err != nil); err != nil && !before {
		s.log.Warn("node.service.unheard", "error", err)
	}
}

// reloading runs reload between RELOADING=1 and READY=1: the manager takes the service for reloading meanwhile. Before the
// service was ready the manager still waits for that, and is told nothing.
func (s *service) reloading(reload func() error) error {
	if !s.ready.Load() {
		return reload()
	}
	s.notify(daemon.SdNotifyReloading, fmt.Sprintf("MONOTONIC_USEC=%d", monotonic().Microseconds()))
	defer s.notify(daemon.SdNotifyReady)
	return reload()
}

// monotonic is CLOCK_MONOTONIC, which systemd compares with its own.
func monotonic() time.Duration {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) // fails for unknown clocks only
	return time.Duration(now.Nano())
}

// runService tells the service manager how the node is, until ctx ends: READY once the keeper has looked and a round trip
// through every lane has shown that packets move (that needs no peer), then a sentence whenever it changes, and signs of life.
func (n *Node) runService(ctx context.Context) error {
	s := n.service
	if s.manager == nil || !n.awaitReady(ctx) {
		return nil
	}
	said := n.serviceStatus()
	s.ready.Store(true)
	s.notify(daemon.SdNotifyReady, said)
	watchdog := newWatchdog(s.manager.Watchdog())
	defer watchdog.stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.looked:
			if status := n.serviceStatus(); status != said {
				s.notify(status)
				said = status
			}
		case <-watchdog.due:
			n.watch(ctx, watchdog.answer)
		}
	}
}

// awaitReady waits until the node does its work; false: it stops.
func (n *Node) awaitReady(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-n.service.looked:
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
