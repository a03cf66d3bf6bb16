package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/safchain/ethtool"

	"github.com/weftnet/weft/cni-shim/install"
	"github.com/weftnet/weft/kernel"
	"github.com/weftnet/weft/kernel/firewall"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/node/cpu"
)

// Facts are what the checks judge.
type Facts struct {
	Daemon     *api.Node // nil: none answers
	DaemonErr  error     // why none does
	Peers      []api.Peer
	Kernel     string    // its release
	CPU        cpu.Share // of the daemon, or of this process
	TUN        error     // of opening /dev/net/tun
	Privileges error     // why the network may not be changed
	Steering   error     // of a program that chooses among sockets of one port
	NAT        error     // of a table that masquerades, made in a network namespace of its own

	Links error // of a bridge and a veth pair, likewise
	Guard error // of the guard of pods, likewise

	Installed []install.Step // how the CNI plugin's installation is; nil: there is none

	Config     *config.Config // of the daemon, or of the file; nil: this host is not set up, or ConfigErr
	ConfigFile string
	ConfigErr  error // why the file cannot be read, or is refused
	Exposed    []Exposed
	Unusable   []Unusable
	State      Directory // the state directory

	Device    []api.Feature // of the overlay device
	DeviceErr error         // the probe could not run
	Port      []api.Feature
	PortErr   error
	Receive   int // what the kernel granted for one socket's buffer, in bytes
	Send      int
	Limits    map[string]int // net.core.rmem_max and wmem_max; those that are known

	Overlay   string // the overlay device
	QueueLen  int    // its txqueuelen; 0: there is no such device
	DeviceMTU int    // 0: there is no such device
	Egress    kernel.Egress
	EgressErr error
	NIC       map[string]ethtool.FeatureState // of the egress interface
	NICDriver string
	NICErr    error

	Conflict   *kernel.ConflictError // of the overlay's network with the host; nil: none
	HasDocker  bool
	Settings   kernel.Facts   // forwarding and rp_filter
	IPv6       bool           // the kernel has it
	Neighbours [2]Neighbours  // of IPv4 and of IPv6
	OnLink     []netip.Prefix // prefixes of this host's own links
	Filter     Filter
	FilterErr  error
	Legacy     *firewall.LegacyError // an old iptables that drops what is forwarded; nil: none is known to
	Clock      Clock
	Now        time.Time

	Asked    bool // a peer was asked to call this node
	DialBack *api.DialBack
	DialErr  error
}

// Options say where to look.
type Options struct {
	Socket string // of the daemon; empty: see ControlSocket
	Device string // the overlay device, where neither a daemon nor a configuration names it
	Config string // file of the configuration
	Peer   string // who is to call this node; empty: nobody
}

// ControlSocket is where the daemon is asked: at Socket, or else in run_dir of the configuration. A file that cannot be read
// says nothing of that.
func (o Options) ControlSocket() string {
	if o.Socket != "" {
		return o.Socket
	}
	cfg := config.Default()
	if err := cfg.ReadFile(o.Config); err != nil {
		return config.DefaultSocket
	}
	return cfg.Socket()
}

// Look gathers the facts of this machine. It changes nothing that lasts. With Options.Peer the daemon has that peer call this
// node, which takes some seconds at most.
func Look(ctx context.Context, o Options) *Facts {
	f := &Facts{Now: time.Now(), Overlay: o.Device, CPU: cpu.Own(), Privileges: kernel.CheckPrivileges(), TUN: openTUN(), Limits: limits(), Kernel: release()}
	client := api.NewClient(o.ControlSocket())
	if status, err := client.Status(ctx); err != nil {
		f.DaemonErr = err
		f.configure(nil, o.Config)
		f.probe()
	} else {
		f.ask(status)
		settings, _ := client.Config(ctx) // an older daemon does not say; then the file counts
		f.configure(settings, o.Config)
	}
	f.lookAtMachine(ctx)
	f.lookAtNetwork()
	if o.Peer != "" {
		f.Asked = true
		f.DialBack, f.DialErr = client.DialBack(ctx, o.Peer)
	}
	return f
}

// ask takes what the daemon says.
func (f *Facts) ask(s *api.Status) {
	n := &s.Node
	f.Daemon, f.Overlay, f.Peers = n, n.Device.Name, s.Peers
	f.CPU = cpu.Share{CPUs: n.FastPath.CPUs, Quota: n.FastPath.CPUQuota}
	f.Device, f.Port, f.Receive, f.Send = n.Device.Features, n.Socket.Features, n.Socket.ReceiveBuffer, n.Socket.SendBuffer
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

// port is the one of UDP and TCP that peers call.
func (f *Facts) port() uint16 {
	if f.Daemon != nil && f.Daemon.Socket.Port > 0 {
		return uint16(f.Daemon.Socket.Port)
	}
	if f.Config != nil {
		return listenPort(f.Config)
	}
	return config.DefaultPort
}
