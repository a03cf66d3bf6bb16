package podnet

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/kernel"
)

// Where packets of a bridge pass iptables (module br_netfilter, net.bridge.bridge-nf-call-iptables), a service's address is translated
// inside the bridge. If its pod lives here, the kernel forwards the frame from port to port and not through the host
// (br_nf_pre_routing_finish in net/bridge/br_netfilter_hooks.c), also back to where it came from. Isolated ports would lose it. So a port
// that the guard knows is not isolated, and the guard, which comes before the translation, drops what a pod addresses to another one itself.

// keepPorts brings ports to what they are to be: those of members open, and all others isolated, as nobody guards them; and all carry frames
// that can. Those that are not settled are left to ADD, or DEL.
func keepPorts(ports []bridgedPort, members []Member) (changes kernel.Changes, err error) {
	known, unsettled := map[string]bool{}, map[string]bool{}
	for _, m := range members {
		known[m.HostEnd], unsettled[m.HostEnd] = true, m.Unsettled
	}
	note := func(setErr error, what string) {
		switch {
		case setErr == nil:
			changes = append(changes, kernel.Change{Op: kernel.Changed, Kind: KindBridge, What: what})
		case !noPort(setErr):
			err = errors.Join(err, explain("set up "+what, setErr))
		}
	}
	for _, p := range ports {
		if unsettled[p.name] {
			continue
		}
		want := podPort(!known[p.name], true)
		if opened := known[p.name] && p.flags[nl.IFLA_BRPORT_ISOLATED]; !opened {
			delete(want, nl.IFLA_BRPORT_MODE) // it may be off by the configuration, which ADD alone knows
		}
		wrong := p.flags.differ(want)
		if len(wrong) > 0 {
			note(want.set(p.index), portText(p.name, wrong, want))
		}
		if p.running && !p.forwards {
			note(start(p.index), fmt.Sprintf("port %s carries frames", p.name))
		}
	}
	return changes, err
}

// noPort reports whether the port was removed, taken out of its bridge, or lost its carrier, after it was listed.
func noPort(err error) bool {
	return errors.Is(err, unix.ENODEV) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENETDOWN)
}

func portText(name string, which []uint16, now portFlags) string {
	text := "port " + name
	for _, attribute := range which {
		text += fmt.Sprintf(" %s %t", flagNames[attribute], now[attribute])
	}
	return text
}

// checkPort reports what keeps the port of a pod from being as the guard wants it. guarded: the kernel has the guard.
func (g *Guard) checkPort(hostEnd string, guarded bool) (faults []string, err error) {
	ports, err := hostPorts(g.bridge)
	for _, p := range ports {
		if p.name == hostEnd && p.flags[nl.IFLA_BRPORT_ISOLATED] == guarded {
			faults = append(faults, fmt.Sprintf("port %s of bridge %s: isolated is %t, not %t", hostEnd, g.bridge, guarded, !guarded))
		}
	}
	return faults, err
}
