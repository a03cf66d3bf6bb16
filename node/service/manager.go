package service

import (
	"context"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Manager is who started the node and wants to know how it is; systemd is the real one. Its methods may be called
// from any goroutine.
type Manager interface {
	// Notify sends assignments in the form of sd_notify(3), one a line.
	Notify(state string) error
	// Watchdog is how long the manager waits for a sign of life before it takes the node for hung; 0: it does not wait.
	Watchdog() time.Duration
}

// systemd is the service manager behind NOTIFY_SOCKET.
type systemd struct{ watchdog time.Duration }

// StartedBy is the service manager that started this process; nil: none did, or it does not want to be told.
func StartedBy(log *slog.Logger) Manager {
	if os.Getenv("NOTIFY_SOCKET") == "" {
		return nil
	}
	// A crash of a Go program ends with status 2, which is ours for a configuration that no restart mends. With "crash" it
	// ends by SIGABRT, after the stacks of all goroutines; so does the SIGABRT that the watchdog sends.
	debug.SetTraceback("crash")
	watchdog, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn("node.service.watchdog.unknown", "error", err)
	}
	return &systemd{watchdog: watchdog}
}

// Notify implements Manager.
func (*systemd) Notify(state string) error {
	_, err := daemon.SdNotify(false, state)
	return err
}

// Watchdog implements Manager.
func (s *systemd) Watchdog() time.Duration { return s.watchdog }

// startPause is how long a start that fails lasts at least under a service manager. A crash is mended best by a restart at
// once, and systemd is told so; but a start that fails will mostly fail again, and each attempt writes to the log.
const startPause = 5 * time.Second

// Pace waits until a start that began then and failed with err, but may be mended by the next one, has lasted for startPause, or
// until ctx ends. Without a manager there is no next one, and it returns at once.
func Pace(ctx context.Context, manager Manager, began time.Time, err error) {
	if manager == nil {
		return
	}
	_ = manager.Notify("STATUS=" + strings.ReplaceAll(err.Error(), "\n", " ")) // whoever starts the node is told in any case
	timer := time.NewTimer(startPause - time.Since(began))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
