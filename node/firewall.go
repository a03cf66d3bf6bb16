package node

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/weftnet/weft/kernel"
	"github.com/weftnet/weft/kernel/firewall"
	"github.com/weftnet/weft/node/config"
)

// Firewall is what a node asks of the host's packet filter; *firewall.Rules is the real one.
type Firewall interface {
	Set(firewall.State) (kernel.Changes, error)
	Watch(ctx context.Context, changed func()) error
}

// Forwarding is the host's switches for forwarding; *firewall.Forwarding is the real one.
type Forwarding interface {
	Set(firewall.Switches) (kernel.Changes, error)
}

// forwardingFile remembers, in run_dir, what the host's sysctls were: a reboot forgets both.
const forwardingFile = "sysctls.json"

func forwardingRecord(c *config.Config) string { return filepath.Join(c.RunDir, forwardingFile) }

// applyForwarding asks for forwarding of the families that the overlay has, or puts back what was before. What the kernel
// refuses is said once, and tried again.
func (n *Node) applyForwarding() {
	if n.platform.Forwarding == nil {
		return
	}
	cfg := n.config()
	want := firewall.Switches{Device: cfg.Device, Record: forwardingRecord(cfg)}
	if cfg.Forwarding {
		for _, p := range append(cfg.Network[:len(cfg.Network):len(cfg.Network)], cfg.Routes...) {
			want.IPv4 = want.IPv4 || p.Addr().Is4()
			want.IPv6 = want.IPv6 || p.Addr().Is6()
		}
	}
	changes, err := n.platform.Forwarding.Set(want)
	n.noteHost("forwarding", &n.repairs.forwarding, want, changes, err)
}

// applyFirewall asks for the rules of the plan, or for none. As long as the node does not know its subnets, those of an
// earlier run stay: their pods are still there.
func (n *Node) applyFirewall(p *plan) {
	cfg := n.config()
	if n.platform.Firewall == nil || cfg.Firewall && len(p.kernel.Own) == 0 {
		return
	}
	want := firewall.State{Device: cfg.Device, Off: !cfg.Firewall}
	if cfg.Firewall {
		want.Network, want.Own, want.Routes, want.Clamp = cfg.Network, p.kernel.Own, p.kernel.LANs, clamp(cfg.MSSClamp)
		want.Bridge = n.podBridge()
	}
	changes, err := n.platform.Firewall.Set(want)
	if !cfg.Firewall && errors.Is(err, firewall.ErrNotSupported) {
		err = nil
	}
	n.noteHost("firewall", &n.repairs.firewall, want, changes, err)
}

// noteHost logs what was changed for want, and what is wrong when that is news.
func (n *Node) noteHost(what string, r *repair, want any, changes kernel.Changes, err error) {
	if changes.Any() {
		switch tell, contested := r.add(want, time.Now()); {
		case tell:
			n.log.Info("node.firewall.changed", "what", what, "changes", changes.String())
		case contested:
			n.log.Warn("node.firewall.contested", "what", what, "changes", changes.String())
		}
	}
	reason := ""
	if err != nil {
		reason = strings.TrimPrefix(err.Error(), "firewall: ") // a note has its subject in front
	}
	if n.state.problem(what, reason) && err != nil {
		n.log.Warn("node.firewall.refused", "what", what, "error", err)
	}
}

// watchFirewall wakes the keeper when somebody changes the packet filter. Without such news the keeper looks every
// tidyPeriod.
func (n *Node) watchFirewall(ctx context.Context) error {
	if n.platform.Firewall == nil {
		return nil
	}
	news := func() {
		n.newRules.Store(true)
		n.changed()
	}
	if err := n.platform.Firewall.Watch(ctx, news); err != nil {
		n.log.Warn("node.firewall.unwatched", "error", err)
	}
	return nil
}

// removeFirewall takes away the rules for the device of cfg, and puts the host's switches back unless somebody else on this
// host appears to need them, which is logged.
func removeFirewall(cfg *config.Config, log *slog.Logger) error {
	return errors.Join(firewall.NewRules(log).Remove(cfg.Device), firewall.NewForwarding(log).Undo(cfg.Device, forwardingRecord(cfg)))
}
