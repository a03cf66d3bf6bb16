package node

import (
	"context"
	"errors"
	"time"

	"github.com/weftnet/weft/kernel"
	"github.com/weftnet/weft/mesh"
	"github.com/weftnet/weft/router"
	"github.com/weftnet/weft/trust"
	"github.com/weftnet/weft/tun"
)

// tidyPeriod is how often the keeper looks although nothing woke it: what somebody deleted by hand is back after that
// at the latest, even if the kernel's notification was lost.
const tidyPeriod = 4 * time.Second

// changed wakes the keeper. It never blocks.
func (n *Node) changed() {
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// onEvent hears of the router's changes, in its goroutines.
func (n *Node) onEvent(e router.Event) {
	switch e.Kind {
	case router.Refused:
		n.refused.add(e.Name, e.Reason)
	case router.Misdated:
		if n.refused.add(e.Name, e.Reason) {
			n.log.Warn("node.gossip.misdated", "peer", e.Name, "reason", e.Reason)
		}
	case router.HandshakesLimited:
		n.state.problem("handshakes", e.Reason)
	case router.PathUp:
		n.refused.forget(e.Name)
		n.mesh.Reached(e.Peer)
	}
	n.changed()
}

// keep makes router and kernel match what is known, whenever something changes, until ctx ends.
func (n *Node) keep(ctx context.Context) error {
	tick := time.NewTicker(tidyPeriod)
	defer tick.Stop()
	for {
		n.reconcile()
		n.service.Look()
		select {
		case <-ctx.Done():
			return nil
		case <-n.wake:
		case <-tick.C:
			n.egresses.expire()
			n.tidy()
		}
	}
}

// tidy looks after what no notification tells of.
func (n *Node) tidy() {
	n.tidyStateDir()
	n.tidyRunDir()
	n.watchClock()
	n.noteCertificate()
	n.noteExposed()
	n.tidyPods()
}

func (n *Node) reconcile() {
	if n.router.DeviceLost() {
		n.reopenDevice()
	}
	n.updateLocal()
	n.noteStateDir()
	view := n.mesh.View()
	peers, err := n.router.Peers()
	if err != nil {
		return // it stops
	}
	up := make(map[trust.Fingerprint]router.PeerStatus, len(peers))
	for _, p := range peers {
		if p.Up {
			up[p.ID] = p
		}
	}
	n.protected.learn(peers, view.Claims)
	n.noteRefusedTrains(peers)
	n.noteSkew(peers)
	n.noteTranslated(peers)
	n.doubtTheDead(view, up)
	plan := n.plan(view, up)
	n.noteTakeovers(plan)
	n.noteOwners(plan)
	if err := n.router.Set(plan.table); err != nil {
		return
	}
	set := n.applyKernel(plan.kernel)
	n.applyForwarding()
	n.applyPods(plan, view, set)
	n.applyFirewall(plan)
	n.state.publish(view, plan)
}

// doubtTheDead makes the router probe peers at once that gossip no longer reaches, although their path seems to work.
func (n *Node) doubtTheDead(view mesh.View, up map[trust.Fingerprint]router.PeerStatus) {
	for _, m := range view.Members {
		if _, ok := up[m.ID]; ok && !m.Alive && n.alive[m.ID] {
			n.router.Doubt(m.ID)
		}
		n.alive[m.ID] = m.Alive
	}
}

// applyKernel asks the kernel for the plan, and reports whether it took all of it. What it refuses is said once, and tried again.
func (n *Node) applyKernel(want kernel.State) bool {
	changes, err := n.platform.Kernel.Set(want)
	switch {
	case errors.Is(err, kernel.ErrNoDevice):
		n.reopenDevice()
		return false
	case err != nil:
		if n.state.problem("kernel", err.Error()) {
			n.log.Error("node.kernel.refused", "error", err)
		}
		return false
	}
	n.state.problem("kernel", "")
	if changes.Any() {
		switch tell, contested := n.repairs.kernel.add(want, time.Now()); {
		case tell:
			n.log.Info("node.kernel.changed", "changes", changes.String())
		case contested:
			n.log.Warn("node.kernel.contested", "changes", changes.String())
		}
	}
	return true
}

// reclaimDevice gives the device back the name or alias that somebody changed: it works all the while, and another one beside it
// would have its addresses and routes. It reports whether the device is there, also when its name cannot be given back yet.
func (n *Node) reclaimDevice() bool {
	present, _ := n.state.counted()
	device, ok := present.(tun.Reclaimable)
	if !ok || n.router.DeviceLost() {
		return false
	}
	was, err := device.Reclaim()
	switch {
	case errors.Is(err, tun.ErrGone), err == nil && was == "":
		return false
	case err != nil:
		if n.state.problem("device", err.Error()) {
			n.log.Error("node.device.failed", "error", err)
		}
		return true
	}
	n.state.problem("device", "")
	n.log.Warn("node.device.reclaimed", "device", present.Name(), "was", was)
	n.changed()
	return true
}

// reopenDevice replaces a device that somebody deleted or that broke.
func (n *Node) reopenDevice() {
	if n.reclaimDevice() {
		return
	}
	device, choice, err := n.takeDevice()
	if err != nil {
		if n.state.problem("device", err.Error()) {
			n.log.Error("node.device.failed", "error", err)
		}
		return
	}
	if err := n.router.Attach(device); err != nil {
		device.Close()
		if !errors.Is(err, router.ErrStopped) && n.state.problem("device", err.Error()) {
			n.log.Error("node.device.failed", "error", err)
		}
		return
	}
	n.state.problem("device", "")
	n.handover.KeepDevice(device)
	n.noteHandover()
	n.tookDevice(device, choice)
	n.log.Warn("node.device.reopened", "device", device.Name())
	n.changed()
}
