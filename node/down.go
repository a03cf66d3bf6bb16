package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/weftnet/weft/kernel"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/node/pods"
	"github.com/weftnet/weft/node/rundir"
	"github.com/weftnet/weft/tun"
)

// stopPatience is how long Down waits for a running daemon to end.
const stopPatience = 10 * time.Second

// Down stops the daemon of cfg, if one runs, and removes everything that weft put into this host's network: routes,
// addresses, the device and the firewall's rules; sysctls become what they were. It is idempotent. Keys and configuration stay.
func Down(ctx context.Context, cfg config.Config, log *slog.Logger) error {
	if err := kernel.CheckPrivileges(); err != nil {
		return err
	}
	host, err := kernel.New(log)
	if err != nil {
		return err
	}
	if err := checkDown(ctx, cfg, host); err != nil {
		return err
	}
	unlock, err := stopDaemon(ctx, cfg)
	if err != nil {
		return err
	}
	defer unlock()
	if err := tun.Removable(cfg.Device); err != nil {
		return err
	}
	rules := errors.Join(removeFirewall(&cfg, log), removePods(&cfg, log))
	if err := host.Remove(cfg.Device, cfg.Network); err != nil {
		return errors.Join(err, rules)
	}
	return errors.Join(tun.Remove(cfg.Device), rules)
}

// removePods takes away the lease, and bridge and guard where no pod lives: those of pods that do stay, which is logged.
func removePods(cfg *config.Config, log *slog.Logger) error {
	living, err := pods.Remove(pods.NewHost(), cfg.RunDir, cfg.StateDir)
	if living > 0 {
		log.Warn("node.pods.left", "pods", living, "kept", pods.Bridge+" and the guard",
			"reason", "without weft they reach this host alone: end them (crictl rmp -fa) and run 'weft down' again, or start weft again")
	}
	return err
}

// checkDown refuses what would stop a daemon or take the guard of the network away for a device that is not the one meant:
// one that is not weft's, another than the daemon's, or another than the one that an earlier run left.
func checkDown(ctx context.Context, cfg config.Config, host *kernel.Host) error {
	if err := tun.Removable(cfg.Device); errors.Is(err, tun.ErrForeign) {
		return err
	}
	s, err := api.NewClient(cfg.Socket()).Status(ctx)
	if err == nil && s.Node.Device.Name != cfg.Device {
		return config.KeyErrorf("device", "the daemon here runs %s, not %s: use --device %s", s.Node.Device.Name, cfg.Device, s.Node.Device.Name)
	}
	conflict := new(kernel.ConflictError)
	if errors.As(host.CheckNetwork(cfg.Network, cfg.Device, cfg.Subnet.Prefixes, cfg.Routes), &conflict) && conflict.Leftover {
		return config.KeyErrorf("device", "%w", explainConflict(conflict))
	}
	return nil
}

// stopDaemon stops the daemon and waits for its end. None can start until unlock, nor can another Down remove anything: what
// one makes, the other would take away.
func stopDaemon(ctx context.Context, cfg config.Config) (unlock func(), err error) {
	err = api.NewClient(cfg.Socket()).Stop(ctx)
	if err != nil && !errors.Is(err, api.ErrNotRunning) {
		return nil, err
	}
	for end := time.Now().Add(stopPatience); ; {
		unlock, err := rundir.Lock(cfg.RunDir)
		if err == nil {
			return unlock, nil
		}
		if !errors.Is(err, rundir.ErrRunning) || time.Now().After(end) {
			return nil, fmt.Errorf("node: wait for the daemon to stop: %w", err)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}
