package node

import (
	"fmt"
	"net/netip"

	"github.com/weftnet/weft/kernel"
	"github.com/weftnet/weft/node/config"
)

// checkClear refuses a configuration with which peers would be told of a public address of this host, and packets travel in clear.
// What the configuration itself names, Validate has refused.
func checkClear(cfg *config.Config, k Kernel) error {
	for _, e := range ownEgress(cfg, k) {
		if err := cfg.ClearError("advertise", e.Source, fmt.Sprintf("is what peers would be told to call (%s) and a public address", e.Why)); err != nil {
			return err
		}
	}
	return nil
}

// ownEgress is where packets leave this host by default, if that decides what peers are told: neither advertise nor listen names an
// address.
func ownEgress(cfg *config.Config, k Kernel) (list []kernel.Egress) {
	if len(cfg.Advertise) > 0 || listenAddr(cfg).IsValid() {
		return nil
	}
	for _, any := range []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()} {
		if e, err := k.Egress(any); err == nil && e.Source.IsValid() && !cfg.InNetwork(e.Source) {
			list = append(list, e)
		}
	}
	return list
}

// barsClear says why no packets may travel to and from an underlay address now, or "".
func (n *Node) barsClear(a netip.Addr) string { return n.config().BarsClear(a) }

// noteClear says in status, and once in the log, that packets travel in clear to public addresses; or that peers are not told of a
// public address which this host has got since the start.
func (n *Node) noteClear(withheld []netip.Addr) {
	cfg := n.config()
	if reason := cfg.ClearForced(); reason != "" {
		if n.state.problem("encryption", reason) {
			n.log.Warn("node.clear.forced", "reason", reason)
		}
		return
	}
	if len(withheld) == 0 {
		n.state.problem("encryption", "")
		return
	}
	reason := fmt.Sprintf("peers are not told of %s: %s", config.Joined(withheld), cfg.BarsClear(withheld[0]))
	if n.state.problem("encryption", reason) {
		n.log.Warn("node.clear.withheld", "addresses", config.Joined(withheld), "reason", cfg.BarsClear(withheld[0]))
	}
}
