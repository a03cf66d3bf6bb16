package doctor

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/kernel"
	"github.com/weftnet/weft/node/api"
)

// Checks of the network around weft.

// leastUnderlay is what an overlay MTU of 1280, which IPv6 needs, takes on the underlay: 80 bytes more, sealed over IPv6.
const leastUnderlay = 1280 + 80

func checkEgress(f *Facts) []Check {
	e := f.Egress
	switch {
	case f.EgressErr != nil:
		return one("egress", Warn, f.EgressErr.Error(), "ip route add default via GATEWAY (or name the host's address in advertise)")
	case e.MTU < leastUnderlay:
		return mended("egress", Warn, fmt.Sprintf("the MTU of %s, %d, is too small for IPv6 in the overlay: %d is enough", e.Interface, e.MTU, leastUnderlay),
			fmt.Sprintf("ip link set dev %s mtu 1500", quoted(e.Interface)), ", if the network behind it carries that")
	}
	return one("egress", OK, fmt.Sprintf("%v by %s, MTU %d", e.Source, e.Interface, e.MTU), "")
}

// checkForwarding looks at the switches without which pods and LANs behind this host reach nobody. The host itself does not
// need them.
func checkForwarding(f *Facts) []Check {
	checks := f.forwarding("forwarding.ipv4", f.Settings.Forwarding4, "net.ipv4.ip_forward")
	if f.IPv6 && f.overlayHas(netip.Addr.Is6) {
		checks = append(checks, f.forwarding("forwarding.ipv6", f.Settings.Forwarding6, "net.ipv6.conf.all.forwarding")...)
	}
	return checks
}

func (f *Facts) forwarding(name string, is kernel.Fact, sysctl string) []Check {
	switch {
	case is.Err != nil:
		return one(name, Warn, is.Err.Error(), "")
	case !is.On() && f.Daemon == nil && (f.Config == nil || f.Config.Forwarding):
		return one(name, OK, sysctl+" is 0; weft switches it on when it starts (forwarding: auto)", "")
	case !is.On():
		return mended(name, Warn, sysctl+" is 0: this host reaches the overlay, its pods and the networks behind it do not",
			"sysctl -w "+sysctl+"=1", ", and into a file of /etc/sysctl.d, so that it lasts")
	}
	return one(name, OK, sysctl+" is on", "")
}

// overlayHas reports whether the overlay carries a family; where it is not known, it may.
func (f *Facts) overlayHas(family func(netip.Addr) bool) bool {
	networks := f.networks()
	return len(networks) == 0 || slices.ContainsFunc(networks, func(p netip.Prefix) bool { return family(p.Addr()) })
}

// networks are the overlay's prefixes, as far as known.
func (f *Facts) networks() []netip.Prefix {
	switch {
	case f.Daemon != nil:
		return f.Daemon.Network
	case f.Config != nil:
		return f.Config.Network
	}
	return nil
}

// strict is the value of rp_filter that drops what would be answered by another interface (RFC 3704, section 2.2).
const strict = 1

func checkReversePath(f *Facts) []Check {
	rp := f.Settings.ReversePath
	switch {
	case rp.Err != nil:
		return one("rp-filter", Warn, rp.Err.Error(), "")
	case rp.Value != strict:
		return one("rp-filter", OK, fmt.Sprintf("the reverse path filter is not strict at %s", f.Overlay), "")
	case f.DeviceMTU == 0:
		return mended("rp-filter", Warn, "the reverse path filter will be strict at "+f.Overlay+strictly,
			"sysctl -w net.ipv4.conf.default.rp_filter=2 net.ipv4.conf.all.rp_filter=2", lasting)
	}
	return mended("rp-filter", Warn, "the reverse path filter is strict at "+f.Overlay+strictly,
		fmt.Sprintf("sysctl -w net/ipv4/conf/%s/rp_filter=2", f.Overlay), lasting)
}

const (
	strictly = ": what comes from a network that this host also reaches another way, such as the LAN of two nodes, is dropped, " +
		"and only IPReversePathFilter in /proc/net/netstat counts it"
	lasting = ", and into a file of /etc/sysctl.d, so that it lasts"
)

// checkNetwork looks for what of the host lies in the overlay's network.
func checkNetwork(f *Facts) []Check {
	if f.Config == nil {
		return nil
	}
	c := f.Conflict
	if c == nil {
		return one("network", OK, fmt.Sprintf("nothing of this host lies in %s", texts(f.Config.Network)), "")
	}
	finding := Fail
	if f.Daemon != nil { // which runs with it
		finding = Warn
	}
	return mended("network", finding, strings.TrimPrefix(c.Error(), "kernel: "), removal(c), ", or choose another network, the same on all nodes")
}

// removal is the command that takes a conflict away.
func removal(c *kernel.ConflictError) string {
	dev := ""
	if c.Interface != "" {
		dev = " dev " + quoted(c.Interface)
	}
	switch {
	case c.Leftover:
		return "weft down --device " + quoted(c.Interface)
	case c.Kind == kernel.KindRoute && c.Foreign.Addr().Is6():
		return fmt.Sprintf("ip -6 route del %v%s", c.Foreign, dev)
	case c.Kind == kernel.KindRoute:
		return fmt.Sprintf("ip route del %v%s", c.Foreign, dev)
	}
	return fmt.Sprintf("ip address del %v%s", c.Foreign, dev)
}

// dockerPools are where Docker makes networks unless it is told otherwise (default-address-pools; libnetwork's
// ipamutils.GetLocalScopeDefaultNetworks). It leaves out what it finds routed when it starts, but not what comes later.
var dockerPools = []netip.Prefix{
	netip.MustParsePrefix("172.17.0.0/16"), netip.MustParsePrefix("172.18.0.0/16"), netip.MustParsePrefix("172.19.0.0/16"),
	netip.MustParsePrefix("172.20.0.0/14"), netip.MustParsePrefix("172.24.0.0/14"), netip.MustParsePrefix("172.28.0.0/14"),
	netip.MustParsePrefix("192.168.0.0/16"),
}

func checkDocker(f *Facts) []Check {
	if !f.HasDocker || f.Config == nil {
		return nil
	}
	for _, network := range f.Config.Network {
		for _, pool := range dockerPools {
			if network.Overlaps(pool) {
				return one("network.docker", Warn, fmt.Sprintf("%v lies where Docker makes its networks (%v): a network that it makes later takes packets of the overlay", network, pool),
					`set "default-address-pools" in /etc/docker/daemon.json to other prefixes and restart Docker, or choose another network`)
			}
		}
	}
	return one("network.docker", OK, "the overlay lies outside of Docker's default address pools", "")
}

// checkMTU looks at what the overlay's packets may be long, against what the underlay carries.
func checkMTU(f *Facts) []Check {
	if f.Daemon == nil {
		return nil
	}
	want, overhead := f.Daemon.Device.MTU, encap.Overhead(f.Daemon.Encryption == "on", !f.Egress.Source.Is6() || f.Egress.Source.Is4In6())
	switch {
	case f.DeviceMTU != 0 && f.DeviceMTU != want:
		return mended("mtu", Warn, fmt.Sprintf("the MTU of %s is %d; it should be %d", f.Overlay, f.DeviceMTU, want),
			fmt.Sprintf("ip link set dev %s mtu %d", quoted(f.Overlay), want), "")
	case f.EgressErr == nil && want+overhead > int(f.Egress.MTU):
		return one("mtu", Warn, fmt.Sprintf("the MTU %d of %s and %d bytes of overhead are more than the %d of %s", want, f.Overlay, overhead, f.Egress.MTU, f.Egress.Interface),
			fmt.Sprintf("set mtu: auto, or mtu: %d, in the configuration, and run 'weft reload'", int(f.Egress.MTU)-overhead))
	}
	return append(one("mtu", OK, fmt.Sprintf("%s has %d, and %d with overhead", f.Overlay, want, want+overhead), ""), checkPeerMTU(f)...)
}

func checkPeerMTU(f *Facts) []Check {
	if n := f.Daemon.Drops["too-big"]; n > 0 {
		return one("mtu.peers", Warn, fmt.Sprintf("%d frames were longer than the underlay takes", n),
			"'ip route get ADDRESS' of a peer shows the MTU of the way there; a path with a smaller one than its ends needs mtu: in the configuration of both")
	}
	small := slices.DeleteFunc(slices.Clone(f.Peers), func(p api.Peer) bool { return p.State != api.StateUp || p.MTU >= f.Daemon.Device.MTU })
	if len(small) == 0 {
		return one("mtu.peers", OK, "all paths carry what the device takes", "")
	}
	names := make([]string, len(small))
	for i, p := range small {
		names[i] = fmt.Sprintf("%s (%d)", p.Name, p.MTU)
	}
	return one("mtu.peers", OK, "routes to these peers have a smaller MTU, which the kernel keeps to: "+strings.Join(names, ", "), "")
}

// checkPeers looks at who is not reached.
func checkPeers(f *Facts) []Check {
	if f.Daemon == nil {
		return nil
	}
	var down []string
	for _, p := range f.Peers {
		if p.State == api.StateDown || p.State == api.StateUnknown {
			down = append(down, strings.TrimSuffix(p.Name+": "+p.Reason, ": "))
		}
	}
	if len(down) > 0 {
		return one("peers", Warn, fmt.Sprintf("%d of %d peers are not reached: %s", len(down), len(f.Peers), strings.Join(down, "; ")),
			"'weft peers' says what was tried; 'weft doctor --peer NAME' on both ends says who lets the other in")
	}
	return one("peers", OK, fmt.Sprintf("all of %d are reached, or stopped in order", len(f.Peers)), "")
}

// checkVersions looks for nodes that were left behind in an upgrade.
func checkVersions(f *Facts) []Check {
	if f.Daemon == nil {
		return nil
	}
	var other []string
	for _, p := range f.Peers {
		switch {
		case p.State != api.StateUp || p.Version == encap.BuildName(f.Daemon.Version):
		case p.Version == "":
			other = append(other, p.Name+" (older than this one)")
		default:
			other = append(other, fmt.Sprintf("%s (%s)", p.Name, p.Version))
		}
	}
	if len(other) > 0 {
		return one("versions", Warn, fmt.Sprintf("this node runs %s, others do not: %s", f.Daemon.Version, strings.Join(other, ", ")),
			"upgrade the older ones, one after the other; nodes of neighbouring versions understand each other")
	}
	return one("versions", OK, "all peers run "+f.Daemon.Version, "")
}

func texts(list []netip.Prefix) string {
	parts := make([]string, len(list))
	for i, p := range list {
		parts[i] = p.String()
	}
	return strings.Join(parts, ", ")
}

// checkSteering looks at what several lanes need.
func checkSteering(f *Facts) []Check {
	if f.Steering != nil {
		return one("steering", Warn, fmt.Sprintf("sockets of one port cannot be chosen by a program (SO_ATTACH_REUSEPORT_CBPF): %v; there is one lane", f.Steering), newest)
	}
	return one("steering", OK, "a program chooses among the sockets of a port", "")
}

// checkNAT looks at what masquerading needs.
func checkNAT(f *Facts) []Check {
	switch {
	case f.NAT == nil:
		return one("nat", OK, "nf_tables masquerades", "")
	case errors.Is(f.NAT, errNoProbe):
		return one("nat", OK, "not known: "+f.NAT.Error(), "")
	}
	return mended("nat", Warn, fmt.Sprintf("nf_tables cannot masquerade (%v): pods reach the outside only where it knows them", f.NAT),
		"modprobe -a nf_tables nft_chain_nat nft_masq", ", or boot a kernel with CONFIG_NFT_MASQ")
}
