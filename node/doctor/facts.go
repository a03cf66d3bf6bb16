package doctor

import (
	"context"
	"errors"
	"fmt"
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
	"github.com/weftnet/weft/node"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/cpu"
	"github.com/weftnet/weft/tun"
)

// Facts are what the checks judge.
type Facts struct {
	Daemon     *api.Node // nil: none answers
	DaemonErr  error     // why none does
	Kernel     string    // its release
	CPU        cpu.Share // of the daemon, or of this process
	TUN        error     // of opening /dev/net/tun
	Privileges error     // why the network may not be changed

	Device    []api.Feature // of the overlay device
	DeviceErr error         // the probe could not run
	Port      []api.Feature
	PortErr   error
	Receive   int // what the kernel granted for one socket's buffer, in bytes
	Send      int
	Limits    map[string]int // net.core.rmem_max and wmem_max; those that are known

	Overlay   string // the overlay device
	QueueLen  int    // its txqueuelen; 0: there is no such device
	Egress    kernel.Egress
	EgressErr error
	NIC       map[string]ethtool.FeatureState // of the egress interface
	NICDriver string
	NICErr    error
}

// Options say where to look.
type Options struct {
	Socket string // of the daemon
	Device string // the overlay device, where no daemon names it
}

// Look gathers the facts of this machine. It changes nothing that lasts.
func Look(ctx context.Context, o Options) *Facts {
	f := &Facts{Overlay: o.Device, CPU: cpu.Own(), Privileges: node.CheckPrivileges(), TUN: openTUN(), Limits: limits()}
	if status, err := api.NewClient(o.Socket).Status(ctx); err != nil {
		f.DaemonErr = err
		f.probe()
	} else {
		f.ask(&status.Node)
	}
	f.Kernel = release()
	if link, err := netlink.LinkByName(f.Overlay); err == nil {
		f.QueueLen = link.Attrs().TxQLen
	}
	if f.Egress, f.EgressErr = egress(); f.EgressErr == nil {
		f.NIC, f.NICDriver, f.NICErr = features(f.Egress.Interface)
	}
	return f
}

// ask takes what the daemon says.
func (f *Facts) ask(n *api.Node) {
	f.Daemon, f.Overlay = n, n.Device.Name
	f.CPU = cpu.Share{CPUs: n.FastPath.CPUs, Quota: n.FastPath.CPUQuota}
	f.Device, f.Port, f.Receive, f.Send = n.Device.Features, n.Socket.Features, n.Socket.ReceiveBuffer, n.Socket.SendBuffer
}

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

func (f *Facts) view() string {
	if f.Daemon != nil {
		return fmt.Sprintf("weft runs as process %d: this is its view", f.Daemon.PID)
	}
	if errors.Is(f.DaemonErr, api.ErrNotRunning) {
		return "weft does not run: this is the machine's view"
	}
	return fmt.Sprintf("the daemon cannot be asked (%v): this is the machine's view", f.DaemonErr)
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

// egress is the default way out.
func egress() (kernel.Egress, error) {
	host, err := kernel.New(slog.New(slog.DiscardHandler))
	if err != nil {
		return kernel.Egress{}, err
	}
	return host.Egress(netip.Addr{})
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
