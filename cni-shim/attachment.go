package cnishim

import (
	"net/netip"
	"os"
	"slices"
	"strings"
	"unicode"

	"github.com/containernetworking/cni/pkg/skel"

	"github.com/weftnet/weft/cni-shim/ipam"
	"github.com/weftnet/weft/cni-shim/lease"
	"github.com/weftnet/weft/cni-shim/podnet"
)

// Funcs are the operations, for skel.PluginMainFuncs.
func Funcs() skel.CNIFuncs {
	return skel.CNIFuncs{Add: add, Del: del, Check: check, GC: gc, Status: nodeStatus}
}

// attachment is one attachment of one operation.
type attachment struct {
	config *config
	key    ipam.Key
	netns  string
	pod    ipam.Pod
	lease  lease.Lease
}

func newAttachment(c *config, args *skel.CmdArgs) *attachment {
	return &attachment{
		config: c, key: ipam.Key{Container: args.ContainerID, IfName: args.IfName}, netns: args.Netns, pod: podOf(args.Args),
	}
}

// podOf is what CNI_ARGS (KEY=VALUE;KEY=VALUE) call the pod. Errors and tables show it, so what no terminal is to get becomes a question mark.
func podOf(args string) (p ipam.Pod) {
	for pair := range strings.SplitSeq(args, ";") {
		switch key, value, _ := strings.Cut(pair, "="); key {
		case "K8S_POD_NAMESPACE":
			p.Namespace = printable(value)
		case "K8S_POD_NAME":
			p.Name = printable(value)
		}
	}
	return p
}

func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, text)
}

func (a *attachment) hostEnd() string { return podnet.HostEnd(a.key.Container, a.key.IfName) }

// openBook opens the address book: in the folder that the configuration names, else the lease, else the usual one.
func openBook(c *config, l lease.Lease) (*ipam.Book, error) {
	dir := defaultStateDir
	for _, d := range []string{l.StateDir, c.StateDir} {
		if d != "" {
			dir = d
		}
	}
	boot, err := lease.BootID()
	if err != nil {
		return nil, fail(codeIO, "%v", err)
	}
	book, err := ipam.Open(dir, ipam.Options{BootID: boot})
	return book, booked(err)
}

// anyLease is the node's lease, or none: for operations that do without.
func anyLease(c *config) lease.Lease {
	l, err := lease.Read(c.RunDir)
	if err != nil {
		return lease.Lease{}
	}
	return l
}

// bridge is the bridge of the node as it is wanted.
func (a *attachment) bridge() podnet.Bridge {
	b := podnet.Bridge{Name: a.config.Bridge, MTU: a.lease.MTU}
	for _, s := range a.lease.Subnets {
		b.Gateways = append(b.Gateways, netip.PrefixFrom(lease.Gateway(s), s.Bits()))
	}
	return b
}

// interfaceOf is the pod's interface with these addresses as it is wanted.
func (a *attachment) interfaceOf(addrs []netip.Addr) podnet.Pod {
	p := podnet.Pod{
		NetNS: a.netns, IfName: a.key.IfName, HostEnd: a.hostEnd(), Bridge: a.config.Bridge, Addrs: addrs,
		MTU: a.lease.MTU, GSOMaxSize: a.lease.GSOMaxSize, Hairpin: a.config.Hairpin,
	}
	if a.config.MTU != 0 {
		p.MTU = a.config.MTU
	}
	if a.config.GSOMaxSize != 0 {
		p.GSOMaxSize = a.config.GSOMaxSize
	}
	for _, addr := range addrs {
		if i := slices.IndexFunc(a.lease.Subnets, func(s netip.Prefix) bool { return s.Contains(addr) }); i >= 0 {
			p.Gateways = append(p.Gateways, lease.Gateway(a.lease.Subnets[i]))
		}
	}
	return p
}

// warn says on standard error, which runtimes log, what does not make an operation fail.
func warn(err error) {
	if err != nil {
		_, _ = os.Stderr.WriteString("weft-cni: " + err.Error() + "\n")
	}
}
