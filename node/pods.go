package node

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/weftnet/weft/cni-shim/ipam"
	"github.com/weftnet/weft/cni-shim/lease"
	"github.com/weftnet/weft/cni-shim/podnet"
	"github.com/weftnet/weft/kernel"
	"github.com/weftnet/weft/mesh"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/node/pods"
)

// newPods makes the keeper of pods, where the platform has them.
func (n *Node) newPods() (err error) {
	if n.platform.Pods == nil {
		return nil
	}
	n.pods, err = pods.New(n.platform.Pods, n.config().RunDir, n.config().StateDir)
	return err
}

// subnetsOfPods splits the subnets that the node holds: those that it is meant to have, and those that it claims on, or did a moment ago, for
// the pods that live there.
func (n *Node) subnetsOfPods(held []netip.Prefix) (meant, former []netip.Prefix) {
	cfg := n.config()
	for _, p := range held {
		if cfg.Subnet.Auto || slices.Contains(cfg.Subnet.Prefixes, p) {
			meant = append(meant, p)
		} else {
			former = append(former, p)
		}
	}
	return meant, former
}

// applyPods makes the lease say what the plan does. set reports whether the kernel has taken it.
func (n *Node) applyPods(p *plan, view mesh.View, set bool) {
	if n.pods == nil {
		return
	}
	n.reviewFormer(view)
	own := pods.Own{Node: n.config().Name, Network: n.config().Network, Device: n.config().Device, MTU: int(p.kernel.MTU)}
	own.Subnets, _ = n.subnetsOfPods(p.kernel.Own)
	own.Lost = len(own.Subnets) == 0 && view.SelfState.Phase == mesh.SelfConflict
	own.Waiting = n.podsWait(own.Subnets, view, set)
	change, err := n.pods.SetLease(own)
	n.noteLease(change, own, err)
	if own.Waiting == "" && (n.podsKept.IsZero() || n.pods.Due()) || n.newRules.Swap(false) && n.pods.GuardDamaged() {
		n.tidyPods()
	}
}

// podsWait says why pods cannot start yet, or "".
func (n *Node) podsWait(subnets []netip.Prefix, view mesh.View, set bool) string {
	switch {
	case len(subnets) == 0:
		return "it has no subnet for pods yet: " + cmp.Or(n.subnetNote(view.SelfState), "the cluster has not settled")
	case !set:
		device, kernel := n.state.reason("device"), n.state.reason("kernel")
		return cmp.Or(device, kernel, "its device has no addresses and routes yet")
	}
	return ""
}

func (n *Node) noteLease(change pods.LeaseChange, own pods.Own, err error) {
	file := lease.Path(n.config().RunDir)
	reason := ""
	if err != nil {
		reason = err.Error()
	}
	if n.state.problem("lease", reason) && err != nil {
		n.log.Error("node.lease.unwritable", "file", file, "error", err)
	}
	switch change {
	case pods.LeaseWritten:
		n.log.Info("node.lease.written", "file", file, "subnets", config.Joined(own.Subnets), "mtu", own.MTU)
	case pods.LeaseRestored:
		n.log.Warn("node.lease.restored", "file", file)
	case pods.LeaseWithdrawn:
		n.log.Warn("node.lease.withdrawn", "file", file, "reason", own.Waiting)
	}
}

// tidyPods looks after bridge, guard and address book, every tidyPeriod.
func (n *Node) tidyPods() {
	if n.pods == nil {
		return
	}
	n.podsKept = time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), podsPatience)
	defer cancel()
	done := n.pods.Keep(ctx)
	n.noteVanished(done.Freed)
	n.noteBridge(&done)
	n.noteGuard(&done)
	n.notePods("address_book", done.BookErr)
	for _, f := range done.Ended {
		n.log.Info("node.subnet.ended", "subnet", f.Subnet)
	}
	n.noteFormer()
	n.noteElsewhere()
}

// noteElsewhere says, as long as it lasts, that pods are at a bridge that nobody keeps, and logs it once.
func (n *Node) noteElsewhere() {
	var bridges, reasons []string
	for _, e := range n.pods.Report().Elsewhere {
		bridges = append(bridges, e.Bridge)
		reasons = append(reasons, fmt.Sprintf("%s at bridge %s", countedPods(e.Pods), e.Bridge))
	}
	reason := ""
	if len(reasons) > 0 {
		reason = fmt.Sprintf("%s, which the daemon does not keep (it keeps %s alone): what somebody removes of the bridge or of its guard is not put back, "+
			"and firewalls of others are not opened for it", strings.Join(reasons, " and "), pods.Bridge)
	}
	n.state.problem("pods_elsewhere", reason)
	if said := strings.Join(bridges, " "); said != n.elsewhereSaid { // not each time that one of the pods ends
		n.elsewhereSaid = said
		if reason != "" {
			n.log.Warn("node.pods.elsewhere", "bridges", said, "reason", reason)
		}
	}
}

// podsPatience is how long the keeper, which has more to do, waits for the address book's lock.
const podsPatience = time.Second

// noteVanished tells of each pod whose addresses were freed; of those that an earlier boot had, all in one line.
func (n *Node) noteVanished(freed []ipam.Record) {
	earlier := 0
	boot, _ := lease.BootID()
	for i := range freed {
		r := &freed[i]
		if r.BootID != boot {
			earlier++
			continue
		}
		n.log.Warn("node.pod.vanished", "pod", r.Holder(), "container", r.Container, "host_end", r.HostEnd, "addresses", joinedAddrs(r.Addresses))
	}
	if earlier > 0 {
		n.log.Info("node.pods.rebooted", "freed", earlier)
	}
}

func joinedAddrs(list []netip.Addr) string {
	texts := make([]string, len(list))
	for i, a := range list {
		texts[i] = a.String()
	}
	return strings.Join(texts, " ")
}

func (n *Node) noteBridge(done *pods.Kept) {
	changes := done.Bridge
	for _, name := range done.Replugged {
		changes = append(changes, kernel.Change{Op: kernel.Added, Kind: podnet.KindBridge, What: pods.Bridge + " port " + name})
	}
	n.noteRepair("bridge", &n.repairs.bridge, n.pods.Report().Usage, changes)
	n.notePods("pods_bridge", done.BridgeErr)
}

// noteGuard says whether pods can use addresses that are not theirs.
func (n *Node) noteGuard(done *pods.Kept) {
	n.noteRepair("guard", &n.repairs.guard, nil, done.Guard)
	n.notePods("pods_guard", done.GuardErr)
}

// noteRepair logs what was put right, as long as that does not happen again and again.
func (n *Node) noteRepair(what string, r *repair, want any, changes kernel.Changes) {
	if !changes.Any() {
		return
	}
	switch tell, contested := r.add(want, time.Now()); {
	case tell:
		n.log.Info("node.pods.changed", "what", what, "changes", changes.String())
	case contested:
		n.log.Warn("node.pods.contested", "what", what, "changes", changes.String())
	}
}

// notePods shows what goes wrong as long as it lasts, and logs it once.
func (n *Node) notePods(subject string, err error) {
	reason := ""
	if err != nil {
		reason = withoutRoom(err)
	}
	if n.state.problem(subject, reason) && err != nil {
		n.log.Warn("node.pods.refused", "what", subject, "error", err)
	}
}

// withoutRoom is an error's text without the room that it begins with: a note has its subject in front.
func withoutRoom(err error) string {
	text := err.Error()
	for _, room := range []string{"podnet: ", "ipam: "} {
		text = strings.TrimPrefix(text, room)
	}
	return text
}

// podBridge is the bridge that pods are plugged into, or "" where none lives.
func (n *Node) podBridge() string {
	if n.pods == nil {
		return ""
	}
	return n.pods.Report().Bridge
}

// podsReport is what status says of pods.
func (n *Node) podsReport() api.Pods {
	r := api.Pods{Subnets: []api.PodSubnet{}, Former: []api.FormerSubnet{}, Guard: pods.GuardOff}
	if n.pods == nil {
		r.Reason = "this platform has none"
		return r
	}
	k := n.pods.Report()
	r.Lease, r.Leased, r.Reason = k.LeaseFile, k.Leased, k.Reason
	r.Bridge, r.BridgeTaken, r.Guard, r.GuardReason = k.Bridge, k.Taken, cmp.Or(k.Guard, pods.GuardOff), k.Why
	r.Held, r.Quarantined, r.Vanished = k.Held, k.Rests, k.Freed
	for _, u := range k.Usage {
		r.Subnets = append(r.Subnets, api.PodSubnet(u))
	}
	claimed := n.formerSubnets()
	for _, f := range k.Former {
		r.Former = append(r.Former, api.FormerSubnet{Subnet: f.Subnet, Pods: f.Pods, Claimed: slices.Contains(claimed, f.Subnet)})
	}
	return r
}
