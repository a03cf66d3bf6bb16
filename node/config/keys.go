package config

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/mesh"
	"github.com/weftnet/weft/tun"
)

// Key is one key of the configuration: the same in the file and, with dashes for dots and underscores, as a flag.
type Key struct {
	Name    string // as in the file; "log.level" is level inside log
	Usage   string
	List    bool     // takes several values
	Reload  bool     // a running node takes a new value by a reload; false: it needs a restart
	Choices []string // values worth proposing, for the shell's completion; all are accepted
	set     func(c *Config, values []string) error
	get     func(c *Config) []string
}

// Flag is the key's name on the command line.
func (k *Key) Flag() string {
	return strings.NewReplacer("_", "-", ".", "-").Replace(k.Name)
}

// Set gives the key its values.
func (k *Key) Set(c *Config, values []string) error {
	if !k.List && len(values) != 1 {
		return fmt.Errorf("takes one value, not %d", len(values))
	}
	for _, v := range values {
		if len(v) > maxValueLen {
			return fmt.Errorf("a value of %d characters is longer than any may be (%d)", len(v), maxValueLen)
		}
	}
	return k.set(c, values)
}

// maxValueLen is the length of the longest value, in bytes: errors that quote it stay readable.
const maxValueLen = 1024

// Values are the key's present values as texts; one, unless it is a List.
func (k *Key) Values(c *Config) []string { return k.get(c) }

// Get is the key's present value as one text.
func (k *Key) Get(c *Config) string { return strings.Join(k.get(c), ",") }

// Keys lists all keys in the order of the documentation.
func Keys() []*Key { return keys }

// keys is the table of all keys. A key without live needs a restart.
var keys = []*Key{
	text("name", "label of this node (default: the hostname)", func(c *Config) *string { return &c.Name }),
	prefixes("network", "the whole overlay: an IPv4 prefix, an IPv6 prefix, or one of each", func(c *Config) *[]netip.Prefix { return &c.Network }),
	live(several("subnet", "our part of it: prefixes, auto, or k8s (this node's spec.podCIDRs)", setSubnet, func(c *Config) []string { return c.Subnet.Values() })).propose("auto", "k8s"),
	live(several("subnet_size", "prefix lengths of an automatic subnet: IPv4, IPv6", setSubnetSize, func(c *Config) []string { return Texts(c.SubnetSize[:]) })),
	live(flag("bootstrap", "with subnet auto: take a subnet although no seed answered (the first node of a cluster)", func(c *Config) *bool { return &c.Bootstrap })),
	live(optional("kubeconfig", "with subnet k8s: file that says how to reach the API server (default: KUBECONFIG, the pod's service account, or that of kubelet or k3s)", func(c *Config) *string { return &c.Kubeconfig })),
	live(optional("k8s_node", "with subnet k8s: name of this host's node in Kubernetes (default: NODE_NAME, or name in lower case)", func(c *Config) *string { return &c.K8sNode })),
	live(prefixes("routes", "further prefixes behind this node", func(c *Config) *[]netip.Prefix { return &c.Routes })),
	single("listen", "address and port of the underlay, UDP and TCP", setListen, func(c *Config) string { return c.Listen }),
	live(several("advertise", "addresses that peers shall call (default: the source address of the default route)", setAdvertise, func(c *Config) []string { return Texts(c.Advertise) })),
	live(several("join", "nodes to call first: host or host:port", setJoin, func(c *Config) []string { return c.Join })),
	single("encryption", "on: packets are sealed; off: they travel in clear, only control is sealed", setEncryption, func(c *Config) string { return OnOff(c.Encryption) }).propose("on", "off"),
	single("cipher", "of packets: auto (what the CPUs of both ends do best), aes-256-gcm or chacha20-poly1305", setCipher, func(c *Config) string { return cipherText(c.Cipher) }).propose("auto", "aes-256-gcm", "chacha20-poly1305"),
	live(single("rekey", "age at which a session's keys are replaced: 5s to 1h", setRekey, func(c *Config) string { return durationText(c.Rekey) })),
	live(single("lease", "how long the claim of a node that is away is kept, and the node is called: 1m to 8760h", setLease, func(c *Config) string { return durationText(c.Lease) })),
	live(single("relay", "packets between nodes that do not reach each other: allow (pass them on), refuse, or prefer (send by relays, too)", setRelay, func(c *Config) string { return string(c.Relay) })).propose(Texts(relays)...),
	live(flag("clear_on_public", "with encryption off: packets may travel in clear to and from public addresses, too", func(c *Config) *bool { return &c.ClearOnPublic })),
	live(text("secret_file", "file with the cluster secret", func(c *Config) *string { return &c.SecretFile })),
	optional("authority", "file with the public key of the authority whose certificates alone are taken (default: none)", func(c *Config) *string { return &c.Authority }),
	live(optional("certificate", "file with this node's certificate (default: none)", func(c *Config) *string { return &c.Certificate })),
	live(single("mtu", "of the overlay device: auto, or bytes", setMTU, func(c *Config) string { return orAuto(c.MTU) })).propose("auto"),
	single("device", "name of the overlay device", setDevice, func(c *Config) string { return c.Device }),
	single("driver", "of the overlay device: auto, super, batch or plain", setDriver, func(c *Config) string { return string(c.Driver) }).propose(Texts(drivers)...),
	single("lanes", "queues of the device, each with sockets and a loop of its own: auto (by CPUs), or 1 to 64", setLanes, func(c *Config) string { return orAuto(c.Lanes) }).propose("auto"),
	knob("offload.tso", "superpackets of TCP are read from the device: auto, on or off", func(c *Config) *tun.Knob { return &c.Offload.Device.TSO }),
	knob("offload.uso", "superpackets of UDP are read from the device: auto, on or off", func(c *Config) *tun.Knob { return &c.Offload.Device.USO }),
	knob("offload.join_tcp", "superpackets of TCP are written to the device: auto, on or off", func(c *Config) *tun.Knob { return &c.Offload.Device.JoinTCP }),
	knob("offload.join_udp", "superpackets of UDP are written to the device: auto, on or off", func(c *Config) *tun.Knob { return &c.Offload.Device.JoinUDP }),
	knob("offload.gso", "trains of frames are sent in one piece: auto, on or off", func(c *Config) *encap.Knob { return &c.Offload.GSO }),
	knob("offload.gro", "trains of frames are received in one piece: auto, on or off", func(c *Config) *encap.Knob { return &c.Offload.GRO }),
	knob("offload.partial", "checksums of inner packets are left partial: auto, on or off", func(c *Config) *encap.Knob { return &c.Offload.Partial }),
	live(autoOff("forwarding", "the kernel's switches for forwarding: auto, or off", func(c *Config) *bool { return &c.Forwarding })),
	live(autoOff("firewall", "masquerading, and a way through the firewalls of others: auto, or off", func(c *Config) *bool { return &c.Firewall })),
	live(knob("mss_clamp", "connections that are forwarded into the overlay are told the segment size that fits: auto, on or off", func(c *Config) *encap.Knob { return &c.MSSClamp })),
	live(autoOff("mtu_probe", "what the paths to peers carry is found by probes: auto, or off", func(c *Config) *bool { return &c.MTUProbe })),
	text("state_dir", "directory of keys, claim and known peers", func(c *Config) *string { return &c.StateDir }),
	text("run_dir", "directory of the control socket", func(c *Config) *string { return &c.RunDir }),
	live(single("metrics", "address and port of the metrics for Prometheus; empty: none", setMetrics, func(c *Config) string { return c.Metrics })),
	live(single("log.level", "debug, info, warn or error", setLogLevel, func(c *Config) string { return strings.ToLower(c.LogLevel.String()) })).propose("debug", "info", "warn", "error"),
	live(single("log.format", "text or json", setLogFormat, func(c *Config) string { return c.LogFormat })).propose("text", "json"),
}

// live marks a key whose new value a reload brings into force; Node.apply is where.
func live(k *Key) *Key {
	k.Reload = true
	return k
}

// propose gives the key values for the shell's completion.
func (k *Key) propose(values ...string) *Key {
	k.Choices = values
	return k
}

// single is a key with one value.
func single(name, usage string, set func(*Config, []string) error, get func(*Config) string) *Key {
	return &Key{Name: name, Usage: usage, set: set, get: func(c *Config) []string { return []string{get(c)} }}
}

// several is a key that takes a list.
func several(name, usage string, set func(*Config, []string) error, get func(*Config) []string) *Key {
	return &Key{Name: name, Usage: usage, List: true, set: set, get: get}
}

func text(name, usage string, field func(*Config) *string) *Key {
	return single(name, usage, func(c *Config, v []string) error {
		if v[0] == "" {
			return fmt.Errorf("must not be empty")
		}
		*field(c) = v[0]
		return nil
	}, func(c *Config) string { return *field(c) })
}

// optional is a key whose value may be empty: then there is none.
func optional(name, usage string, field func(*Config) *string) *Key {
	return single(name, usage, func(c *Config, v []string) error {
		*field(c) = v[0]
		return nil
	}, func(c *Config) string { return *field(c) })
}

func flag(name, usage string, field func(*Config) *bool) *Key {
	return single(name, usage, func(c *Config, v []string) error {
		b, err := strconv.ParseBool(v[0])
		if err != nil {
			return fmt.Errorf("%q is not true or false", v[0])
		}
		*field(c) = b
		return nil
	}, func(c *Config) string { return strconv.FormatBool(*field(c)) }).propose("true", "false")
}

// autoOff is a key of something that weft does by itself, or leaves to others.
func autoOff(name, usage string, field func(*Config) *bool) *Key {
	return single(name, usage, func(c *Config, v []string) error {
		switch v[0] {
		case "auto":
			*field(c) = true
		case "off":
			*field(c) = false
		default:
			return fmt.Errorf("%q is not auto or off", v[0])
		}
		return nil
	}, func(c *Config) string {
		if *field(c) {
			return "auto"
		}
		return "off"
	}).propose("auto", "off")
}

// knob is a key of an offload: auto and on differ in what happens where the kernel cannot.
func knob[K ~string](name, usage string, field func(*Config) *K) *Key {
	return single(name, usage, func(c *Config, v []string) error {
		switch v[0] {
		case "auto", "on", "off":
			*field(c) = K(v[0])
			return nil
		}
		return fmt.Errorf("%q is not auto, on or off", v[0])
	}, func(c *Config) string { return string(*field(c)) }).propose("auto", "on", "off")
}

func prefixes(name, usage string, field func(*Config) *[]netip.Prefix) *Key {
	return several(name, usage, func(c *Config, v []string) error {
		list, err := parsePrefixes(v)
		*field(c) = list
		return err
	}, func(c *Config) []string { return Texts(*field(c)) })
}

func parsePrefixes(values []string) ([]netip.Prefix, error) {
	list := make([]netip.Prefix, 0, len(values))
	for _, v := range values {
		p, err := netip.ParsePrefix(v)
		if err != nil {
			return nil, fmt.Errorf("%q is not a prefix such as 10.244.1.0/24", v)
		}
		if p.Masked() != p {
			return nil, fmt.Errorf("%s has bits set behind its length: write %s", v, p.Masked())
		}
		if p.Addr().Is4In6() {
			return nil, fmt.Errorf("%s is IPv4 in IPv6 form: write the IPv4 prefix", v)
		}
		list = append(list, p)
	}
	return list, nil
}

func setSubnet(c *Config, values []string) error {
	if len(values) == 1 {
		switch values[0] {
		case "auto":
			c.Subnet = Subnet{Auto: true}
			return nil
		case "k8s":
			c.Subnet = Subnet{K8s: true}
			return nil
		}
	}
	list, err := parsePrefixes(values)
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("is empty: name a prefix, or use auto or k8s")
	}
	c.Subnet = Subnet{Prefixes: list}
	return err
}

func setSubnetSize(c *Config, values []string) error {
	if len(values) > 2 || len(values) == 0 {
		return fmt.Errorf("takes the length for IPv4 and, if wanted, for IPv6")
	}
	for i, v := range values {
		n, err := strconv.Atoi(v)
		if limit := []int{30, 126}[i]; err != nil || n < 1 || n > limit {
			return fmt.Errorf("%q is not a prefix length from 1 to %d", v, limit)
		}
		c.SubnetSize[i] = n
	}
	return nil
}

func setListen(c *Config, v []string) error {
	if err := checkListen(v[0], fmt.Sprintf(":%d", DefaultPort)); err != nil {
		return err
	}
	c.Listen = v[0]
	return nil
}

// checkListen says whether a text is an address and port to listen on; no address means all.
func checkListen(text, example string) error {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return fmt.Errorf("%q is not an address and port such as %s", text, example)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return fmt.Errorf("%q is not a port from 1 to 65535", port)
	}
	if host == "" {
		return nil
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return fmt.Errorf("%q is not an IP address", host)
	}
	if addr = addr.Unmap(); addr.IsMulticast() || addr == broadcast {
		return fmt.Errorf("%s is not an address of one host", addr)
	}
	return nil
}

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

func setAdvertise(c *Config, values []string) error {
	c.Advertise = nil
	for _, v := range values {
		a, err := netip.ParseAddr(v)
		if err != nil || a.Zone() != "" {
			return fmt.Errorf("%q is not an IP address that peers can call", v)
		}
		if a = a.Unmap(); !callable(a) {
			return fmt.Errorf("%s is no address that peers can call: it is unspecified, loopback, link-local or multicast", a)
		}
		c.Advertise = append(c.Advertise, a)
	}
	return nil
}

// callable says whether an address can be that of a host for others.
func callable(a netip.Addr) bool {
	return (a.IsGlobalUnicast() || a.IsPrivate()) && a != broadcast && !thisHost.Contains(a)
}

var thisHost = netip.MustParsePrefix("0.0.0.0/8") // RFC 1122, section 3.2.1.3

func setJoin(c *Config, values []string) error {
	c.Join = nil
	for _, v := range values {
		host, _, err := mesh.SplitSeed(v, DefaultPort)
		if err != nil {
			return fmt.Errorf("%q is not a host or host:port", v)
		}
		if addr, err := netip.ParseAddr(host); err == nil && !isHost(addr) {
			return fmt.Errorf("%s is no address of a host: name one that can be called", v)
		}
		c.Join = append(c.Join, v)
	}
	return nil
}

// isHost reports whether an address can be that of one host; a link-local one needs its zone.
func isHost(a netip.Addr) bool {
	return !a.IsUnspecified() && !a.IsMulticast() && a != netip.AddrFrom4([4]byte{255, 255, 255, 255}) &&
		!(a.Is6() && a.IsLinkLocalUnicast() && a.Zone() == "")
}

func setEncryption(c *Config, v []string) error {
	switch v[0] {
	case "on":
		c.Encryption = true
	case "off":
		c.Encryption = false
	default:
		return fmt.Errorf("%q is not on or off", v[0])
	}
	return nil
}

func setMTU(c *Config, v []string) error {
	if v[0] == "auto" {
		c.MTU = 0
		return nil
	}
	n, err := strconv.Atoi(v[0])
	if err != nil || n < MinMTU || n > MaxMTU {
		return fmt.Errorf("%q is not auto, nor a number from %d to %d", v[0], MinMTU, MaxMTU)
	}
	c.MTU = n
	return nil
}

func setDevice(c *Config, v []string) error {
	name := v[0]
	odd := func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune("/:%", r) }
	if name == "" || len(name) > 15 || name == "." || name == ".." || strings.ContainsFunc(name, odd) {
		return fmt.Errorf("%q is not an interface name (1 to 15 printable ASCII characters, no blank, slash, colon or percent sign)", name)
	}
	if name == "all" || name == "default" { // /proc/sys/net/ipv4/conf has settings of these names
		return fmt.Errorf("%q cannot be an interface: the kernel has settings for all interfaces under that name", name)
	}
	c.Device = name
	return nil
}

var drivers = []tun.Driver{tun.DriverAuto, tun.DriverSuper, tun.DriverBatch, tun.DriverPlain}

func setDriver(c *Config, v []string) error {
	if !slices.Contains(drivers, tun.Driver(v[0])) {
		return fmt.Errorf("%q is not a driver: it is one of %s", v[0], Joined(drivers))
	}
	c.Driver = tun.Driver(v[0])
	return nil
}

func setLanes(c *Config, v []string) error {
	if v[0] == "auto" {
		c.Lanes = 0
		return nil
	}
	n, err := strconv.Atoi(v[0])
	if err != nil || n < 1 || n > encap.MaxLanes {
		return fmt.Errorf("%q is not auto, nor a number from 1 to %d", v[0], encap.MaxLanes)
	}
	c.Lanes = n
	return nil
}

func setLogLevel(c *Config, v []string) error {
	levels := map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}
	level, ok := levels[v[0]]
	if !ok {
		return fmt.Errorf("%q is not debug, info, warn or error", v[0])
	}
	c.LogLevel = level
	return nil
}

func setLogFormat(c *Config, v []string) error {
	if v[0] != "text" && v[0] != "json" {
		return fmt.Errorf("%q is not text or json", v[0])
	}
	c.LogFormat = v[0]
	return nil
}

// orAuto is a number, or auto for 0.
func orAuto(n int) string {
	if n == 0 {
		return "auto"
	}
	return strconv.Itoa(n)
}
