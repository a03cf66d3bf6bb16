package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weftnet/weft/node/service/servicetest"
)

func TestAReloadIsToldWithItsBeginningAndItsEnd(t *testing.T) {
	manager, reason := &servicetest.Manager{}, errors.New("a reason")
	s := New(manager, slog.New(slog.DiscardHandler))
	if err := s.Reloading(func() error { return reason }); !errors.Is(err, reason) || len(manager.Take()) != 0 {
		t.Errorf("before it was ready: reloading = %v, and something was told", err)
	}
	s.ready.Store(true)
	err := s.Reloading(func() error {
		told := manager.Take()
		var since int64
		if len(told) != 1 {
			t.Fatalf("told %q before the reload", told)
		}
		if _, err := fmt.Sscanf(told[0], "RELOADING=1\nMONOTONIC_USEC=%d", &since); err != nil || since <= 0 {
			t.Errorf("told %q before the reload: %v", told, err)
		}
		return reason
	})
	if got := manager.Take(); !errors.Is(err, reason) || !slices.Equal(got, []string{"READY=1"}) {
		t.Errorf("reloading = %v, told %q", err, got)
	}
}

func TestAServiceManagerThatDoesNotListenIsLoggedOnce(t *testing.T) {
	var log strings.Builder
	manager := &servicetest.Manager{}
	s := New(manager, slog.New(slog.NewTextHandler(&log, nil)))
	for range 2 {
		manager.Refuse(true)
		for range 3 {
			s.Notify("READY=1")
		}
		manager.Refuse(false)
		s.Notify("READY=1")
	}
	if n := strings.Count(log.String(), "node.service.unheard"); n != 2 {
		t.Errorf("%d lines for two times:\n%s", n, log.String())
	}
}

func TestAStartThatFailsLastsUnderAServiceManager(t *testing.T) {
	failed := errors.New("the port is in use")
	for name, c := range map[string]struct {
		manager Manager
		err     error
		want    time.Duration
	}{
		"failed":     {&servicetest.Manager{}, failed, startPause - time.Second},
		"no manager": {nil, failed, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				time.Sleep(time.Second) // of the start itself
				Pace(t.Context(), c.manager, began, c.err)
				if took := time.Since(began) - time.Second; took != c.want {
					t.Errorf("it lasts %v longer, want %v", took, c.want)
				}
			})
		})
	}
}

func TestAStartThatFailsTellsTheManagerWhyAndEndsWhenItIsStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		manager, began := &servicetest.Manager{}, time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		Pace(ctx, manager, began, errors.New("two\nlines"))
		if took, told := time.Since(began), manager.Take(); took != time.Second || !slices.Equal(told, []string{"STATUS=two lines"}) {
			t.Errorf("after %v, told %q", took, told)
		}
	})
}

func TestSystemdIsToldThroughItsSocket(t *testing.T) {
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	t.Setenv("NOTIFY_SOCKET", "")
	if manager := StartedBy(log); manager != nil {
		t.Errorf("without NOTIFY_SOCKET there is a manager: %v", manager)
	}
	path := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	must(t, err)
	t.Cleanup(func() { socket.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "3000000")
	manager := StartedBy(log)
	if got := manager.Watchdog(); got != 3*time.Second {
		t.Errorf("the watchdog waits %v, want 3 s", got)
	}
	must(t, manager.Notify("READY=1\nSTATUS=well"))
	got := make([]byte, 100)
	n, err := socket.Read(got)
	must(t, err)
	if string(got[:n]) != "READY=1\nSTATUS=well" {
		t.Errorf("systemd hears %q", got[:n])
	}
	t.Setenv("WATCHDOG_USEC", "nonsense")
	if got := StartedBy(log).Watchdog(); got != 0 {
		t.Errorf("a watchdog that is not a number waits %v", got)
	}
	t.Setenv("WATCHDOG_USEC", "3000000")
	t.Setenv("WATCHDOG_PID", "1")
	if got := StartedBy(log).Watchdog(); got != 0 {
		t.Errorf("the watchdog of another process waits %v", got)
	}
}
