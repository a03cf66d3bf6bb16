package doctor

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"github.com/safchain/ethtool"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/kernel"
	"github.com/weftnet/weft/kernel/firewall"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/tun"
)

// probe asks the kernel, by a device and a port that nobody else uses.
func (f *Facts) probe() {
	offloads, err := tun.Probe()
	f.DeviceErr = err
	for _, o := range offloads {
		f.Device = append(f.Device, api.Feature{Name: o.Name, State: string(o.State), Reason: o.Reason})
	}
	port, err := encap.ListenUDP(encap.UDPOptions{Listen: ":0"})
	if f.PortErr = err; err != nil {
		return
	}
	defer port.Close()
	f.Receive, f.Send = port.Buffers()
	for _, o := range port.Features() {
		f.Port = append(f.Port, api.Feature{Name: o.Name, State: string(o.State), Reason: o.Reason})
	}
}

// configure takes the configuration in force, as the daemon says, or else that of the file. The file is read in any case: what
// is wrong in it shows at the next start.
func (f *Facts) configure(inForce []api.Setting, file string) {
	f.ConfigFile = file
	cfg := config.Default()
	err := cfg.ReadFile(file)
	if err == nil {
		err = cfg.Validate()
	}
	switch {
	case err == nil:
		f.Config = &cfg
	case !errors.Is(err, fs.ErrNotExist):
		f.ConfigErr = err
	}
	if len(inForce) > 0 {
		if running, err := configOf(inForce); err == nil { // of another build, perhaps: then the file counts
			f.Config = &running
		}
	}
	if f.Daemon == nil && f.Config != nil {
		f.Overlay = f.Config.Device
	}
}

// configOf is the configuration of the settings. Keys that this build does not have are left out.
func configOf(settings []api.Setting) (config.Config, error) {
	cfg := config.Default()
	for _, s := range settings {
		for _, k := range config.Keys() {
			if k.Name != s.Key {
				continue
			}
			if len(s.Values) == 0 && k.Get(&cfg) == "" {
				continue
			}
			if err := k.Set(&cfg, s.Values); err != nil {
				return cfg, err
			}
		}
	}
	return cfg, nil
}

// lookAtMachine gathers what does not depend on the network.
func (f *Facts) lookAtMachine(ctx context.Context) {
	f.Steering, f.NAT, f.Clock = encap.ProbeSteering(), probeNAT(), readClock()
	f.Links, f.Guard = probeLinks(), probeGuard()
	if _, err := os.Stat("/proc/sys/net/ipv6"); err == nil {
		f.IPv6 = true
	}
	if f.Config != nil {
		f.Exposed = exposed(f.Config.SecretFile, nodeKey(f.Config))
		f.Unusable = unusable(f.Config)
		f.State = lookAt(f.Config.StateDir)
		f.Installed = lookAtInstalled(ctx, f.Config)
	}
}

// lookAtNetwork gathers what the network namespace holds.
func (f *Facts) lookAtNetwork() {
	if link, err := netlink.LinkByName(f.Overlay); err == nil {
		f.QueueLen, f.DeviceMTU = link.Attrs().TxQLen, link.Attrs().MTU
	}
	f.HasDocker, f.OnLink = hasDocker(), readOnLink()
	for i, k := range neighbourFamilies {
		f.Neighbours[i] = k.read()
	}
	f.Filter, f.FilterErr = readFilter()
	if legacy := new(firewall.LegacyError); errors.As(firewall.LegacyObstacle(f.Overlay, f.networks()), &legacy) {
		f.Legacy = legacy
	}
	host, err := kernel.New(slog.New(slog.DiscardHandler))
	if err != nil {
		f.EgressErr = err
		return
	}
	f.Settings = host.Facts(f.Overlay)
	if f.Egress, f.EgressErr = host.Egress(netip.Addr{}); f.EgressErr == nil {
		f.NIC, f.NICDriver, f.NICErr = features(f.Egress.Interface)
	}
	f.Conflict = f.conflict(host)
}

// conflict asks what of the host lies in the overlay's network.
func (f *Facts) conflict(host *kernel.Host) *kernel.ConflictError {
	if f.Config == nil {
		return nil
	}
	own := f.Config.Subnet.Prefixes
	if f.Daemon != nil {
		own = f.Daemon.Subnets
	}
	found := new(kernel.ConflictError)
	if err := host.CheckNetwork(f.Config.Network, f.Overlay, own, f.Config.Routes); errors.As(err, &found) {
		return found
	}
	return nil
}

// hasDocker reports whether Docker runs here, or has run.
func hasDocker() bool {
	if _, err := netlink.LinkByName("docker0"); err == nil {
		return true
	}
	_, err := os.Stat("/var/lib/docker/network")
	return err == nil
}

// openTUN opens the device of all TUN devices, which has no effect yet.
func openTUN() error {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: "/dev/net/tun", Err: err}
	}
	return unix.Close(fd)
}

func release() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "of an unknown release"
	}
	return unix.ByteSliceToString(u.Release[:])
}

// limits are the largest socket buffers that a process without privileges gets, in bytes (socket(7)).
func limits() map[string]int {
	known := map[string]int{}
	for _, name := range []string{"rmem_max", "wmem_max"} {
		text, err := os.ReadFile("/proc/sys/net/core/" + name)
		if n, bad := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && bad == nil {
			known["net.core."+name] = n
		}
	}
	return known
}

// features are those of an interface, by the kernel's names (netdev_features_strings in net/ethtool/common.c), and its driver.
func features(name string) (map[string]ethtool.FeatureState, string, error) {
	e, err := ethtool.NewEthtool()
	if err != nil {
		return nil, "", err
	}
	defer e.Close()
	driver, err := e.DriverName(name)
	if err != nil {
		return nil, "", err
	}
	list, err := e.FeaturesWithState(name)
	return list, driver, err
}
