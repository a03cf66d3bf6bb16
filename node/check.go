package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/atomicfile"
	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/mesh"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/node/cpu"
	"github.com/weftnet/weft/node/rundir"
	"github.com/weftnet/weft/node/statedir"
	"github.com/weftnet/weft/trust"
	"github.com/weftnet/weft/tun"
)

// Prospect is what Check finds.
type Prospect struct {
	What     string   // one line: what would run
	Warnings []string // one line each: what Run would start with all the same, and warn of
}

// Check looks whether Run with cfg could start on this machine, and says what would run. It changes nothing; the ports are
// opened for a moment, unless a daemon of the same run_dir has them: then cfg is for a reload or a restart. Errors are those of
// Run.
func Check(ctx context.Context, cfg config.Config) (*Prospect, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	platform, err := realPlatform(slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	if _, err := readSecret(&cfg); err != nil {
		return nil, err
	}
	if _, err := readAdmission(&cfg, time.Now()); err != nil {
		return nil, err
	}
	if err := cmp.Or(checkClear(&cfg, platform.Kernel), checkKubernetes(&cfg), checkStateDir(&cfg), checkRunDir(&cfg)); err != nil {
		return nil, err
	}
	running, err := api.NewClient(cfg.Socket()).Status(ctx)
	if err != nil {
		running = nil
	}
	if err := cmp.Or(checkLocks(&cfg, running), checkMachine(&cfg, platform, running)); err != nil {
		return nil, err
	}
	return &Prospect{What: prospect(&cfg, running), Warnings: warnings(&cfg, running)}, nil
}

// checkLocks refuses directories that another daemon uses: another than running, which cfg is for.
func checkLocks(cfg *config.Config, running *api.Status) error {
	lock := filepath.Join(cfg.RunDir, rundir.LockName)
	if pid := rundir.Holder(lock); pid != 0 && running == nil {
		return fmt.Errorf("%w: process %d holds %s and does not answer (stop it, or give this one another run_dir)", rundir.ErrRunning, pid, lock)
	}
	if pid := rundir.Holder(cfg.StateDir); pid != 0 && (running == nil || pid != running.Node.PID) {
		return statedir.InUse(cfg.StateDir, pid)
	}
	return nil
}

// checkMachine looks at network, device and port. running is the daemon that cfg is for; nil: none runs.
func checkMachine(cfg *config.Config, platform *Platform, running *api.Status) error {
	device := cfg.Device
	if running != nil {
		device = running.Node.Device.Name
	}
	if err := platform.Kernel.CheckNetwork(cfg.Network, device, cfg.Subnet.Prefixes, cfg.Routes); err != nil {
		return cfg.Placed(asConfigError(err))
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
func checkPort(cfg *config.Config, platform *Platform) error {
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
func checkStateDir(cfg *config.Config) error {
	if err := statedir.CheckVersion(cfg.StateDir); err != nil {
		return cfg.Placed(config.KeyErrorf("state_dir", "%w", err))
	}
	for _, name := range append(mesh.StateFiles(), statedir.EpochFile) {
		if _, _, err := atomicfile.Read(filepath.Join(cfg.StateDir, name), statedir.MaxFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("node: state_dir: %w (move it away)", err)
		}
	}
	if _, err := os.Lstat(filepath.Join(cfg.StateDir, trust.IdentityFile)); err == nil {
		_, _, err := trust.LoadIdentity(cfg.StateDir, nil)
		return keyError(cfg, err)
	}
	if err := canWrite(cfg.StateDir); err != nil {
		return fmt.Errorf("node: make a node key in state_dir %s: %w", cfg.StateDir, err)
	}
	return nil
}

// checkRunDir looks whether lock and control socket can be made in the run directory, and who has the lock.
func checkRunDir(cfg *config.Config) error {
	if err := canWrite(cfg.RunDir); err != nil {
		return fmt.Errorf("node: run_dir %s: %w", cfg.RunDir, err)
	}
	for _, path := range []string{cfg.Socket(), filepath.Join(cfg.RunDir, rundir.LockName)} {
		if info, err := os.Lstat(path); err == nil && info.IsDir() {
			return fmt.Errorf("node: run_dir: %s: it is a directory, and weft makes a file there (move it away)", path)
		}
	}
	return nil
}

// canWrite reports whether files can be made in a directory, or in the nearest above it that is there, which takes the rest. It
// writes nothing.
func canWrite(path string) error {
	dir := filepath.Clean(path)
	_, err := os.Stat(dir)
	for errors.Is(err, fs.ErrNotExist) && dir != filepath.Dir(dir) {
		dir = filepath.Dir(dir)
		_, err = os.Stat(dir)
	}
	if err == nil {
		err = unix.Access(dir, unix.W_OK|unix.X_OK)
	}
	if err == nil && virtual(dir) {
		err = unix.EPERM
	}
	if err != nil {
		return fmt.Errorf("no file can be made in %s: %w (name another directory, or make that one writable)", dir, errnoOf(err))
	}
	return nil
}

// virtual reports whether a directory belongs to the kernel's own file systems, which take no files although they look writable.
func virtual(dir string) bool {
	var s unix.Statfs_t
	return unix.Statfs(dir, &s) == nil && (s.Type == unix.PROC_SUPER_MAGIC || s.Type == unix.SYSFS_MAGIC)
}

// errnoOf is the kernel's reason alone, where there is one.
func errnoOf(err error) error {
	if errno := syscall.Errno(0); errors.As(err, &errno) {
		return errno
	}
	return err
}

// prospect says what would run.
func prospect(cfg *config.Config, running *api.Status) string {
	lanes := chooseLanes(cfg, cpu.Own())
	parts := []string{
		"node " + cfg.Name, "network " + config.Joined(cfg.Network), "subnet " + strings.Join(cfg.Subnet.Values(), ","),
		fmt.Sprintf("device %s (driver %s)", cfg.Device, cfg.Driver),
		fmt.Sprintf("%s (%s)", counted(lanes.wanted, "lane"), lanes.why),
		"listen " + cfg.Listen, "encryption " + config.OnOff(cfg.Encryption),
	}
	text := strings.Join(parts, ", ")
	if running != nil {
		text += fmt.Sprintf("; a daemon runs as process %d: 'weft reload' brings the changes into force", running.Node.PID)
	}
	return text
}
