// Package service is what a node tells the service manager that started it: when it is ready, reloads and stops, how it is, and
// signs of life.
package service

import (
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

// Service is what the node says to its service manager. Without one it says nothing.
type Service struct {
	manager Manager // nil: none
	log     *slog.Logger
	looked  chan struct{} // the keeper has looked
	ready   atomic.Bool   // READY=1 was sent
	unheard atomic.Bool   // the last Notify failed
}

// New makes the side of the node. The manager may be nil: then nobody is told.
func New(manager Manager, log *slog.Logger) *Service {
	return &Service{manager: manager, log: log, looked: make(chan struct{}, 1)}
}

// Managed reports whether there is a manager.
func (s *Service) Managed() bool { return s.manager != nil }

// Looked delivers, after a call of Look, that one came.
func (s *Service) Looked() <-chan struct{} { return s.looked }

// SetReady tells the manager that the service is ready, and how it is.
func (s *Service) SetReady(status string) {
	s.ready.Store(true)
	s.Notify(daemon.SdNotifyReady, status)
}

// Ready reports whether SetReady was called.
func (s *Service) Ready() bool { return s.ready.Load() }

// Watchdog says when the manager wants a sign of life. There must be a manager.
func (s *Service) Watchdog() *Watchdog { return newWatchdog(s.manager.Watchdog()) }

// Look makes Looked deliver, since the node may be another one now. It never blocks.
func (s *Service) Look() {
	select {
	case s.looked <- struct{}{}:
	default:
	}
}

// Notify tells the manager. That it does not hear is logged once: the node itself does not depend on it.
func (s *Service) Notify(lines ...string) {
	if s.manager == nil {
		return
	}
	err := s.manager.Notify(strings.Join(lines, "\n"))
	if before := s.unheard.Swap(err != nil); err != nil && !before {
		s.log.Warn("node.service.unheard", "error", err)
	}
}

// Reloading runs reload between RELOADING=1 and READY=1: the manager takes the service for reloading meanwhile. Before the
// service was ready the manager still waits for that, and is told nothing.
func (s *Service) Reloading(reload func() error) error {
	if !s.ready.Load() {
		return reload()
	}
	s.Notify(daemon.SdNotifyReloading, fmt.Sprintf("MONOTONIC_USEC=%d", monotonic().Microseconds()))
	defer s.Notify(daemon.SdNotifyReady)
	return reload()
}

// monotonic is CLOCK_MONOTONIC, which systemd compares with its own.
func monotonic() time.Duration {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) // fails for unknown clocks only
	return time.Duration(now.Nano())
}
