package podnet

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// sysctl is a switch of the network namespace of the thread that reads or writes it, and the value that it is to have.
type sysctl struct {
	path   string // below /proc/sys/net
	value  string // a digit
	orMore bool   // a greater digit does as well
}

// String is the switch as sysctl(8) has it. A dot in the name of an interface becomes a slash.
func (s sysctl) String() string {
	return "net." + strings.NewReplacer("/", ".", ".", "/").Replace(s.path)
}

func (s sysctl) file() string { return filepath.Join("/proc/sys/net", s.path) }

// holds reports whether the switch has its value, or does not exist: on a kernel without IPv6 there is nothing to switch.
func (s sysctl) holds() (now string, ok bool) {
	text, err := os.ReadFile(s.file())
	now = strings.TrimSpace(string(text))
	return now, now == s.value || s.orMore && now > s.value || errors.Is(err, fs.ErrNotExist)
}

// apply gives the switches their values, and returns those that it changed.
func apply(list []sysctl) (changed []sysctl, err error) {
	for _, s := range list {
		if _, ok := s.holds(); ok {
			continue
		}
		if err := os.WriteFile(s.file(), []byte(s.value), 0); err != nil {
			return changed, fmt.Errorf("podnet: set %s to %s: %w", s, s.value, err)
		}
		changed = append(changed, s)
	}
	return changed, nil
}

// bridgeSysctls are those of the bridge (Documentation/networking/ip-sysctl.rst). Redirects would tell pods of one node to talk to each
// other past the host; the kernel sends them all the same where conf.all says so, and then the guard drops them.
//
// The host does not ask the pods of a large subnet who has an address (mcast_solicit): it has a permanent entry for each pod. All interfaces
// of all namespaces together can have gc_thresh3 neighbours, 1024 unless somebody sets more; those that wait for an answer leave the
// others no room, and whoever sends to addresses that nobody has would take it all (RFC 6583). What is not asked for fails at once, and is
// the first to make room (neigh_forced_gc in net/core/neighbour.c).
func bridgeSysctls(bridge string, gateways []netip.Prefix) []sysctl {
	list := []sysctl{
		{path: "ipv4/conf/" + bridge + "/send_redirects", value: "0"},
		{path: "ipv4/conf/" + bridge + "/accept_redirects", value: "0"},
		{path: "ipv6/conf/" + bridge + "/accept_ra", value: "0"},
		{path: "ipv6/conf/" + bridge + "/accept_redirects", value: "0"},
		{path: "ipv6/conf/" + bridge + "/accept_dad", value: "0"},
	}
	if slices.ContainsFunc(gateways, is6) {
		list = append(list, sysctl{path: "ipv6/conf/" + bridge + "/disable_ipv6", value: "0"},
			sysctl{path: "ipv6/neigh/" + bridge + "/mcast_solicit", value: "0"})
	}
	if slices.ContainsFunc(gateways, large4) {
		list = append(list, sysctl{path: "ipv4/neigh/" + bridge + "/mcast_solicit", value: "0"})
	}
	return list
}

func is6(p netip.Prefix) bool { return p.Addr().Is6() }

// large4 reports whether a prefix has more IPv4 addresses than most nodes' subnets: 256.
func large4(p netip.Prefix) bool { return p.Addr().Is4() && p.Bits() < 24 }

// hostEndSysctls keep the host's network stack off a port: its addresses are the bridge's. Frames to the MACs that are reserved for bridges
// (01:80:c2:00:00:0x) come there past bridge and guard (br_handle_frame in net/bridge/br_input.c). IPv4 cannot be switched off; but a port
// has no address, and then each filter of sources, strict or loose, takes none (__fib_validate_source in net/ipv4/fib_frontend.c).
func hostEndSysctls(name string) []sysctl {
	return []sysctl{
		{path: "ipv6/conf/" + name + "/disable_ipv6", value: "1"},
		{path: "ipv4/conf/" + name + "/rp_filter", value: "1", orMore: true}, // udev may have set 2, as systemd ships it
	}
}

// podSysctls are those inside the pod. IPv4 takes redirects if either of all and the interface does.
func podSysctls(ifname string, ipv6 bool) []sysctl {
	list := []sysctl{
		{path: "ipv4/conf/all/accept_redirects", value: "0"},
		{path: "ipv4/conf/" + ifname + "/accept_redirects", value: "0"},
		{path: "ipv6/conf/" + ifname + "/accept_ra", value: "0"},
		{path: "ipv6/conf/" + ifname + "/accept_redirects", value: "0"},
		{path: "ipv6/conf/" + ifname + "/accept_dad", value: "0"},
	}
	if ipv6 {
		list = append(list, sysctl{path: "ipv6/conf/" + ifname + "/disable_ipv6", value: "0"})
	}
	return list
}
