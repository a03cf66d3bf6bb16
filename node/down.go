package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/weftnet/weft/kernel"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/tun"
)

// stopPatience is how long Down waits for a running daemon to end.
const stopPatience = 10 * time.Second

// Down stops the daemon of cfg, if one runs, and removes everything that weft put into this host's network: routes,
// addresses and the device. It is idempotent. Keys and configuration stay.
func Down(ctx context.Context, cfg Config, log *slog.Logger) error {
	if err := checkPrivileges(); err != nil {
		return err
	}
	if err := stopDaemon(ctx, cfg); err != nil {
		return err
	}
	if err := tun.Removable(cfg.Device); err != nil {
		return err
	}
	host, err := kernel.New(log)
	if err != nil {
		return err
	}
	if err := host.Remove(cfg.Device, cfg.Network); err != nil {
		return err
	}
	return tun.Remove(cfg.Device)
}

func stopDaemon(ctx context.Context, cfg Config) error {
	err := api.NewClient(cfg.Socket()).Stop(ctx)
	if err != nil && !errors.Is(err, api.ErrNotRunning) {
		return err
	}
	for end := time.Now().Add(stopPatience); ; {
		unlock, err := lockRunDir(cfg.RunDir)
		if err == nil {
			unlock()
			return nil
		}
		if !errors.Is(err, ErrRunning) || time.Now().After(end) {
			return fmt.Errorf("node: wait for the daemon to stop: %w", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}
