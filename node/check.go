package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/cpu"
	"github.com/weftnet/weft/trust"
	"github.com/weftnet/weft/tun"
)

// Check looks whether Run with cfg could start on this machine, and says in one line what would run. It changes nothing; the
// port is opened for a moment, unless a daemon of the same run_dir has it: then cfg is for a reload or a restart. Errors are
// those of Run.
func Check(ctx context.Context, cfg Config) (what string, err error) {
	if err := cfg.Validate(); err != nil {
		return "", err
	}
	platform, err := realPlatform(slog.New(slog.DiscardHandler))
	if err != nil {
		return "", err
	}
	if _, _, err := readSecret(&cfg); err != nil {
		return "", err
	}
	if err := checkStateDir(&cfg); err != nil {
		return "", err
	}
	running, err := api.NewClient(cfg.Socket()).Status(ctx)
	if err != nil {
		running = nil
	}
	if err := checkMachine(&cfg, platform, running); err != nil {
		return "", err
	}
	return prospect(&cfg, running), nil
}

// checkMachine looks at network, device and port. running is the daemon that cfg is for; nil: none runs.
func checkMachine(cfg *Config, platform *Platform, running *api.Status) error {
	device := cfg.Device
	if running != nil {
		device = running.Node.Device.Name
	}
	if err := platform.Kernel.CheckNetwork(cfg.Network, device, cfg.Subnet.Prefixes, cfg.Routes); err != nil {
		return cfg.placed(asConfigError(err))
	}
	if err := tun.Available(); err != nil {
		return err
	}
	if running != nil && device == cfg.Device {
		return nil
	}
	if err := tun.Removable(cfg.Device); err != nil {
		return err
	}
	if running != nil {
		return nil
	}
	return checkPort(cfg, platform)
}

// checkPort opens the port, UDP and TCP, and closes it again.
func checkPort(cfg *Config, platform *Platform) error {
	port, err := platform.ListenUDP(encap.UDPOptions{Listen: cfg.Listen, Lanes: 1, GSO: cfg.Offload.GSO, GRO: cfg.Offload.GRO})
	if err != nil {
		return err
	}
	defer port.Close()
	listener, err := platform.ListenTCP(cfg.Listen)
	if err != nil {
		return err
	}
	return listener.Close()
}

// checkStateDir looks whether the state directory is of our version, and holds the node's key or can take one. With a key, a
// node runs although it can write nothing there.
func checkStateDir(cfg *Config) error {
	if err := checkStateVersion(cfg); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(cfg.StateDir, trust.IdentityFile)); err == nil {
		return nil
	}
	dir := filepath.Clean(cfg.StateDir)
	_, err := os.Stat(dir)
	for errors.Is(err, fs.ErrNotExist) && dir != filepath.Dir(dir) { // the nearest that is there takes the rest
		dir = filepath.Dir(dir)
		_, err = os.Stat(dir)
	}
	if err == nil {
		err = unix.Access(dir, unix.W_OK|unix.X_OK)
	}
	if err != nil {
		return fmt.Errorf("node: make a node key in state_dir %s: %w", cfg.StateDir, &fs.PathError{Op: "write", Path: dir, Err: err})
	}
	return nil
}

// prospect says what would run.
func prospect(cfg *Config, running *api.Status) string {
	lanes := chooseLanes(cfg, cpu.Own())
	parts := []string{
		"node " + cfg.Name, "network " + joined(cfg.Network), "subnet " + strings.Join(cfg.Subnet.values(), ","),
		fmt.Sprintf("device %s (driver %s)", cfg.Device, cfg.Driver),
		fmt.Sprintf("%s (%s)", counted(lanes.wanted, "lane"), lanes.why),
		"listen " + cfg.Listen, "encryption " + onOff(cfg.Encryption),
	}
	text := strings.Join(parts, ", ")
	if running != nil {
		text += fmt.Sprintf("; a daemon runs as process %d: 'weft reload' brings the changes into force", running.Node.PID)
	}
	return text
}
