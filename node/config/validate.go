package config

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/mesh"
	"github.com/weftnet/weft/tun"
)

// Validate checks what can be checked without the machine; of that, only whether directories are files. Errors wrap ErrConfig and
// read as one line, which names the key and, where it was given, its place.
func (c *Config) Validate() error {
	for _, check := range []func() error{c.checkName, c.checkNetwork, c.checkSubnet, c.checkKubernetes, c.checkRoutes, c.checkUnderlay, c.checkClear, c.checkLanes, c.checkClamp, c.checkMetrics, c.checkPaths} {
		if err := check(); err != nil {
			return c.Placed(err)
		}
	}
	return nil
}

func (c *Config) checkClamp() error {
	if c.MSSClamp == encap.KnobOn && !c.Firewall {
		return KeyErrorf("mss_clamp", "is on, which takes weft's rules in the packet filter: set 'firewall: auto', or 'mss_clamp: auto'")
	}
	return nil
}

func (c *Config) checkName() error {
	if c.Name == "" {
		return KeyErrorf("name", "is empty: give this node a label")
	}
	if len(c.Name) > 63 {
		return KeyErrorf("name", "%d characters are more than 63: shorten it", len(c.Name))
	}
	for _, r := range c.Name {
		if r <= ' ' || r == 0x7f || r > 0x7f {
			return KeyErrorf("name", "%q holds characters that are not printable ASCII without blanks: use letters, digits and dashes", c.Name)
		}
	}
	return nil
}

func (c *Config) checkNetwork() error {
	families := map[bool]netip.Prefix{}
	if len(c.Network) == 0 {
		return KeyErrorf("network", "is empty: name the prefix of the whole overlay, such as 10.244.0.0/16")
	}
	for _, p := range c.Network {
		if other, ok := families[p.Addr().Is4()]; ok {
			return KeyErrorf("network", "%s and %s are of one family: name at most one IPv4 and one IPv6 prefix", other, p)
		}
		families[p.Addr().Is4()] = p
		if p.Bits() == 0 || p.Bits() > p.Addr().BitLen()-2 {
			return KeyErrorf("network", "%s cannot be divided among nodes: name one such as 10.244.0.0/16", p)
		}
		if err := checkUnicast(p); err != nil {
			return KeyErrorf("network", "%w", err)
		}
	}
	return nil
}

// reserved are the prefixes that never lead to another host (RFC 6890).
var reserved = []struct {
	prefix netip.Prefix
	what   string
}{
	{thisHost, "this host"},
	{netip.MustParsePrefix("127.0.0.0/8"), "loopback"},
	{netip.MustParsePrefix("169.254.0.0/16"), "link-local"},
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast"},
	{netip.PrefixFrom(broadcast, 32), "broadcast"},
	{netip.MustParsePrefix("::/128"), "this host"},
	{netip.MustParsePrefix("::1/128"), "loopback"},
	{netip.MustParsePrefix("::ffff:0:0/96"), "IPv4 in IPv6 form"},
	{netip.MustParsePrefix("fe80::/10"), "link-local"},
	{netip.MustParsePrefix("ff00::/8"), "multicast"},
}

// checkUnicast refuses prefixes that hold addresses of no host.
func checkUnicast(p netip.Prefix) error {
	for _, r := range reserved {
		if r.prefix.Overlaps(p) {
			return fmt.Errorf("%s overlaps %s (%s), which is not for unicast between hosts: name another prefix", p, r.prefix, r.what)
		}
	}
	return nil
}

func (c *Config) checkSubnet() error {
	if c.Subnet.Auto {
		return c.checkSubnetSize()
	}
	if n := len(c.Subnet.Prefixes); n > mesh.MaxPrefixes {
		return KeyErrorf("subnet", "%d prefixes are more than the %d that a node can claim: put neighbours together", n, mesh.MaxPrefixes)
	}
	for i, p := range c.Subnet.Prefixes {
		net, ok := c.networkOf(p)
		switch {
		case !ok:
			return KeyErrorf("subnet", "%s is not inside network %s: name a part of that, or auto", p, Joined(c.Network))
		case p == net:
			return KeyErrorf("subnet", "%s is all of network; leave room for other nodes", p)
		}
		for _, other := range c.Subnet.Prefixes[:i] {
			if other.Overlaps(p) {
				return KeyErrorf("subnet", "%s and %s overlap: name one of them", other, p)
			}
		}
	}
	return nil
}

func (c *Config) checkSubnetSize() error {
	for _, net := range c.Network {
		size := c.SubnetSize[0]
		if net.Addr().Is6() {
			size = c.SubnetSize[1]
		}
		if size <= net.Bits() {
			return KeyErrorf("subnet_size", "a /%d does not fit into network %s more than once: name a longer length", size, net)
		}
	}
	return nil
}

// networkOf returns the prefix of network that p lies in.
func (c *Config) networkOf(p netip.Prefix) (netip.Prefix, bool) {
	for _, net := range c.Network {
		if net.Bits() <= p.Bits() && net.Contains(p.Addr()) {
			return net, true
		}
	}
	return netip.Prefix{}, false
}

func (c *Config) InNetwork(a netip.Addr) bool {
	return slices.ContainsFunc(c.Network, func(p netip.Prefix) bool { return p.Contains(a) })
}

// The widest routes: a wider one would take most of the Internet, or of its unicast addresses, away from the underlay.
const (
	widestRoute4 = 8
	widestRoute6 = 16
)

func (c *Config) checkRoutes() error {
	if n := len(c.Routes); n > mesh.MaxPrefixes {
		return KeyErrorf("routes", "%d prefixes are more than the %d that a node can claim: put neighbours together", n, mesh.MaxPrefixes)
	}
	for i, p := range c.Routes {
		if err := checkWidth(p); err != nil {
			return err
		}
		if err := checkUnicast(p); err != nil {
			return KeyErrorf("routes", "%w", err)
		}
		if slices.Contains(c.Routes[:i], p) {
			return KeyErrorf("routes", "%s is there twice", p)
		}
		for _, network := range c.Network {
			if p.Bits() <= network.Bits() && p.Overlaps(network) {
				return KeyErrorf("routes", "%s covers network %s: it may lie inside or outside of it", p, network)
			}
		}
		if j := slices.IndexFunc(c.Subnet.Prefixes, p.Overlaps); j >= 0 {
			return KeyErrorf("routes", "%s overlaps subnet %s, which this node owns already", p, c.Subnet.Prefixes[j])
		}
	}
	return nil
}

// checkWidth refuses routes that would take packets of more than a site.
func checkWidth(p netip.Prefix) error {
	widest := widestRoute4
	if p.Addr().Is6() {
		widest = widestRoute6
	}
	switch {
	case p.Bits() == 0:
		return KeyErrorf("routes", "%s is the default route, which weft does not carry: name what lies behind this node", p)
	case p.Bits() < widest:
		return KeyErrorf("routes", "%s is wider than /%d, the widest that weft carries: name narrower ones", p, widest)
	}
	return nil
}

// checkUnderlay refuses underlay addresses inside the overlay: packets to them would go in circles.
func (c *Config) checkUnderlay() error {
	for _, a := range c.Advertise {
		if c.InNetwork(a) {
			return KeyErrorf("advertise", "%s lies inside network %s; name an address of the underlay", a, Joined(c.Network))
		}
	}
	for _, seed := range c.Join {
		host, _, err := mesh.SplitSeed(seed, DefaultPort)
		if err != nil {
			return KeyErrorf("join", "%w", err)
		}
		if a, err := netip.ParseAddr(host); err == nil && c.InNetwork(a.Unmap()) {
			return KeyErrorf("join", "%s lies inside network %s; name an address of the underlay", seed, Joined(c.Network))
		}
	}
	return nil
}

// checkLanes refuses lanes that the driver cannot have queues for.
func (c *Config) checkLanes() error {
	if c.Lanes > 1 && c.OneQueue() {
		return KeyErrorf("lanes", "%d are more than driver %s has queues, which is one; driver super has as many as wanted", c.Lanes, c.Driver)
	}
	return nil
}

// OneQueue reports whether the configured driver has one queue only.
func (c *Config) OneQueue() bool { return c.Driver == tun.DriverBatch || c.Driver == tun.DriverPlain }

// maxSocketPath is the longest path that a unix socket can have: sun_path holds 108 bytes with the zero at the end, unix(7).
const maxSocketPath = 107

func (c *Config) checkPaths() error {
	for _, path := range []struct{ key, value string }{
		{"secret_file", c.SecretFile}, {"state_dir", c.StateDir}, {"run_dir", c.RunDir},
		{"authority", c.Authority}, {"certificate", c.Certificate}, {"kubeconfig", c.Kubeconfig},
	} {
		if !utf8.ValidString(path.value) || strings.ContainsFunc(path.value, unicode.IsControl) {
			return KeyErrorf(path.key, "%q holds control characters or is not UTF-8: use a plain path", path.value)
		}
	}
	if noDirectory(c.StateDir) {
		return KeyErrorf("state_dir", "%s is a file, or lies below one: name a directory", c.StateDir)
	}
	if noDirectory(c.RunDir) {
		return KeyErrorf("run_dir", "%s is a file, or lies below one: name a directory", c.RunDir)
	}
	if n := len(c.Socket()); n > maxSocketPath {
		return KeyErrorf("run_dir", "%s is too long: the path of the socket in it has %d bytes, and the kernel takes %d", c.RunDir, n, maxSocketPath)
	}
	return nil
}

// noDirectory reports whether path can never be a directory as things are. One that is missing can.
func noDirectory(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir() || errors.Is(err, syscall.ENOTDIR)
}
