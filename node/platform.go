package node

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"net"
	"net/netip"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/kernel"
	"github.com/weftnet/weft/kernel/firewall"
	"github.com/weftnet/weft/node/cpu"
	"github.com/weftnet/weft/node/handover"
	"github.com/weftnet/weft/node/kubernetes"
	"github.com/weftnet/weft/node/pods"
	"github.com/weftnet/weft/node/service"
	"github.com/weftnet/weft/tun"
)

// Platform is the machine as a node sees it.
type Platform struct {
	OpenDevice  func(tun.Options) (tun.Device, *tun.Choice, error)
	CheckDevice func(name string) error // says why OpenDevice would refuse, and changes nothing; nil: not known
	ListenUDP   func(encap.UDPOptions) (encap.Port, error)
	ListenTCP   func(listen string) (net.Listener, error)
	Dialer      encap.Dialer
	Kernel      Kernel
	Firewall    Firewall        // nil: there is none
	Forwarding  Forwarding      // nil: there is none
	Pods        pods.Host       // nil: there are none
	Random      io.Reader       // read from many goroutines
	CPU         cpu.Share       // what the process may use of the machine's
	Service     service.Manager // nil: none started the node

	AskKubernetes func(context.Context, kubernetes.Query) (kubernetes.Answer, error) // nil: there is nothing to ask
	Descriptors   handover.Store                                                     // nil: none
}

// Kernel is what a node asks of the host's network stack; *kernel.Host is the real one.
type Kernel interface {
	Set(kernel.State) (kernel.Changes, error)
	Watch(ctx context.Context, changed func()) error
	CheckNetwork(network []netip.Prefix, device string, own, lans []netip.Prefix) error
	Unreached(lans []netip.Prefix) []netip.Prefix
	Egress(to netip.Addr) (kernel.Egress, error)
	Underlay(device string, network []netip.Prefix) (kernel.Underlay, error)
	InUse(subnets []netip.Prefix, except ...string) bool
}

// realPlatform is this machine.
func realPlatform(log *slog.Logger) (*Platform, error) {
	if err := kernel.CheckPrivileges(); err != nil {
		return nil, err
	}
	host, err := kernel.New(log)
	if err != nil {
		return nil, err
	}
	return &Platform{
		OpenDevice:  tun.Open,
		CheckDevice: tun.Usable,
		ListenUDP: func(o encap.UDPOptions) (encap.Port, error) {
			port, err := encap.ListenUDP(o)
			if err != nil {
				return nil, err
			}
			return port, nil
		},
		ListenTCP:  encap.ListenTCP,
		Dialer:     &net.Dialer{},
		Kernel:     host,
		Firewall:   firewall.NewRules(log),
		Forwarding: firewall.NewForwarding(log),
		Pods:       pods.NewHost(),
		Random:     rand.Reader,
		CPU:        cpu.Own(),

		AskKubernetes: (&kubernetes.Client{Machine: kubernetes.ThisMachine()}).Ask,
	}, nil
}
