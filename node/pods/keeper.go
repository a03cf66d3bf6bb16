package pods

import (
	"net/netip"
	"path/filepath"
	"slices"
	"sync"

	"github.com/weftnet/weft/cni-shim/ipam"
	"github.com/weftnet/weft/cni-shim/lease"
	"github.com/weftnet/weft/cni-shim/podnet"
)

// Keeper keeps what pods of this node need.
type Keeper struct {
	host   Host
	runDir string
	dir    string // the state directory, absolute
	boot   string
	book   *ipam.Book
	watch  *ipam.Watch

	last   lease.Lease   // that this run wrote, or found right; zero: none
	gso    int           // gso_max_size of the device; 0: to be asked for
	bridge podnet.Bridge // as it is wanted for the last lease of this boot; without a name: there was none
	former []former

	unrouted bool // no pod has a route of its own

	mu       sync.Mutex            // guards what follows
	gateways map[netip.Prefix]bool // of all leases since the start, and of the one before
	report   Report
}

// New makes the keeper of a node with these directories. It starts from what an earlier run of this boot left, and changes nothing.
func New(host Host, runDir, stateDir string) (*Keeper, error) {
	dir, err := filepath.Abs(stateDir)
	if err != nil {
		return nil, err
	}
	boot, err := lease.BootID()
	if err != nil {
		return nil, err
	}
	book, err := ipam.Open(dir, ipam.Options{BootID: boot})
	if err != nil {
		return nil, err
	}
	k := &Keeper{host: host, runDir: runDir, dir: dir, boot: boot, book: book, watch: book.Watch(), gateways: map[netip.Prefix]bool{}}
	k.report = Report{LeaseFile: lease.Path(runDir), Reason: "the node has just started"}
	if l, err := lease.Read(runDir); err == nil {
		k.want(l)
		k.report.Leased, k.report.Reason = true, ""
	}
	return k, nil
}

// want makes the bridge of a lease the one that is kept.
func (k *Keeper) want(l lease.Lease) {
	k.bridge = bridgeOf(l)
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, g := range k.bridge.Gateways {
		k.gateways[g] = true
	}
}

// knows reports whether a bridge is of this node, and not of another one on the same host: that has other gateways. Where somebody has
// removed all of them, nobody can tell.
func (k *Keeper) knows(b podnet.BridgeState) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return b.Ours && (len(b.Addresses) == 0 || slices.ContainsFunc(b.Addresses, func(a netip.Prefix) bool { return k.gateways[a] }))
}

// bridgeOf is the bridge that pods of a lease need.
func bridgeOf(l lease.Lease) podnet.Bridge {
	b := podnet.Bridge{Name: Bridge, MTU: l.MTU}
	for _, s := range l.Subnets {
		b.Gateways = append(b.Gateways, netip.PrefixFrom(lease.Gateway(s), s.Bits()))
	}
	return b
}

// Report is what the keeper knows, for people.
type Report struct {
	LeaseFile string
	Leased    bool   // it is there and as it should be
	Reason    string // why not

	Bridge string // the bridge that is kept; empty: no pod needs one
	Taken  string // who else has the name Bridge; empty: nobody
	Guard  string // GuardOn, GuardOff or GuardNone
	Why    string // why the guard is not on, or what else goes wrong

	Usage     []ipam.Usage // of the node's subnets, in which new pods get addresses
	Held      int          // records, which is pods
	Rests     int          // records whose addresses rest
	Freed     uint64       // records that were freed because their pods had vanished
	Former    []Former
	Elsewhere []Elsewhere    // by name
	Routed    []netip.Prefix // former subnets, also without pods, whose pods have routes of their own: the rest may be routed elsewhere
	Looked    bool           // Former is known: subnets and bridge were looked at in this run
}

// States of the guard.
const (
	GuardOn   = "on"
	GuardOff  = "off"  // no pod lives here
	GuardNone = "none" // the kernel cannot, or refuses: pods can use addresses that are not theirs
)

// Former is a subnet in which pods still live though it is not the node's any more.
type Former struct {
	Subnet netip.Prefix
	Pods   int
}

// Elsewhere is a bridge that pods of this node are at and that the keeper does not keep: the plugin's configuration names it.
type Elsewhere struct {
	Bridge string
	Pods   int
}

// FormerSubnets are those of Former.
func (r *Report) FormerSubnets() []netip.Prefix {
	list := make([]netip.Prefix, len(r.Former))
	for i, f := range r.Former {
		list[i] = f.Subnet
	}
	return list
}

// Report returns what is known now. Its lists are the caller's.
func (k *Keeper) Report() Report {
	k.mu.Lock()
	defer k.mu.Unlock()
	r := k.report
	r.Usage, r.Former, r.Elsewhere = slices.Clone(r.Usage), slices.Clone(r.Former), slices.Clone(r.Elsewhere)
	r.Routed = slices.Clone(r.Routed)
	return r
}

func (k *Keeper) note(f func(*Report)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f(&k.report)
}
