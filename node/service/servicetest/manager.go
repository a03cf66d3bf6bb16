// Package servicetest has a service manager for tests.
package servicetest

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing/synctest"
	"time"
)

// Manager is a service manager that keeps what it is told. It may be used from any goroutine.
type Manager struct {
	Patience time.Duration // what Watchdog returns
	refuse   atomic.Bool

	mu   sync.Mutex // guards told
	told []string
}

// Watchdog implements service.Manager.
func (f *Manager) Watchdog() time.Duration { return f.Patience }

// Notify implements service.Manager.
func (f *Manager) Notify(state string) error {
	if f.refuse.Load() {
		return errors.New("nobody listens")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.told = append(f.told, state)
	return nil
}

// Refuse makes Notify fail, or not any more.
func (f *Manager) Refuse(refuse bool) { f.refuse.Store(refuse) }

// Take returns what was told since the last call.
func (f *Manager) Take() (told []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	told, f.told = f.told, nil
	return told
}

// After is what it is told in so much virtual time; in a bubble of synctest.
func (f *Manager) After(d time.Duration) []string {
	time.Sleep(d)
	synctest.Wait()
	return f.Take()
}
