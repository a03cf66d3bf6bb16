package doctor

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/safchain/ethtool"
	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/cni-shim/install"
	"github.com/weftnet/weft/cni-shim/podnet"
	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/kernel"
	"github.com/weftnet/weft/kernel/firewall"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/node/cpu"
	"github.com/weftnet/weft/tun"
)

func switchedOn(names ...string) (list []api.Feature) {
	for _, name := range names {
		list = append(list, api.Feature{Name: name, State: on})
	}
	return list
}

// today is when the machines of these tests are looked at.
var today = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// healthy is a machine without a daemon on which everything is as weft wants it.
func healthy() *Facts {
	active := ethtool.FeatureState{Available: true, Active: true}
	cfg := config.Default()
	return &Facts{
		Config: &cfg, ConfigFile: "/etc/weft/weft.yaml", State: Directory{Path: "/var/lib/weft", Free: 1 << 30},
		Settings:   kernel.Facts{Forwarding4: kernel.Fact{Value: 1}, Forwarding6: kernel.Fact{Value: 1}, ReversePath: kernel.Fact{Value: 2}},
		Neighbours: [2]Neighbours{{Limit: 1024, Entries: 40, Known: map[netip.Addr]bool{netip.MustParseAddr("192.0.2.7"): true}}, {Limit: 1024, Entries: 3}},
		OnLink:     []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/64")},
		IPv6:       true, Now: today, Clock: Clock{Synchronised: true}, HasDocker: true, DeviceMTU: 1440,
		DaemonErr: api.ErrNotRunning, Kernel: "6.18.1", CPU: cpu.Share{CPUs: 4},
		Device: switchedOn("tso", "uso"), Port: switchedOn("gso", "gro", largeBuffers), Receive: encap.DefaultBuffer, Send: encap.DefaultBuffer,
		Limits:  map[string]int{"net.core.rmem_max": 212992, "net.core.wmem_max": 212992},
		Overlay: "weft0", QueueLen: tun.DefaultQueueLen,
		Egress: kernel.Egress{Source: netip.MustParseAddr("192.0.2.1"), Interface: "eth0", MTU: 1500},
		NIC:    map[string]ethtool.FeatureState{"tx-checksum-ip-generic": active, "tx-udp-segmentation": active, "rx-gro": active},
	}
}

// served is a healthy machine with a daemon.
func served() *Facts {
	f := healthy()
	drops := uint64(0)
	f.DaemonErr, f.Daemon = nil, &api.Node{
		PID: 77, Version: "v1.2.3", Encryption: "on", Network: f.Config.Network,
		Secrets:  []api.Secret{{ID: "ab12cd34", First: true, Since: today.AddDate(0, -1, 0)}},
		Trust:    api.Trust{Certificate: &api.Certificate{Name: "vm-1", Fingerprint: "f1", Subnets: f.Config.Network, NotAfter: today.AddDate(0, 2, 0)}},
		Device:   api.Device{Name: "weft0", Driver: "super", Why: "configured", MTU: 1440},
		FastPath: api.FastPath{Lanes: 2, LanesWhy: "auto: 4 CPUs", Queue: &api.Queues{KernelDrops: &drops}},
	}
	near := int64(20)
	f.Peers = []api.Peer{{Name: "vm-2", State: api.StateUp, Version: "v1.2.3", Skew: &near, MTU: 1440}, {Name: "vm-3", State: api.StateAway}}
	return f
}

func TestAHealthyMachineHasNoFindings(t *testing.T) {
	for name, f := range map[string]*Facts{"without a daemon": healthy(), "with a daemon": served()} {
		r := Examine(f)
		if r.Count(OK) != len(r.Checks) || len(r.Checks) < 10 {
			t.Errorf("%s: %+v", name, r.Checks)
		}
		for _, c := range r.Checks {
			if c.Name == "" || c.Detail == "" || c.Remedy != "" {
				t.Errorf("%s: %+v", name, c)
			}
		}
	}
	if got := Examine(served()).Daemon; !strings.Contains(got, "process 77") {
		t.Errorf("daemon: %q", got)
	}
}

// broken are facts with one thing wrong, and the one check that must say so, with words that its detail and remedy hold.
var broken = map[string]struct {
	daemon  bool
	spoil   func(*Facts)
	name    string
	finding Finding
	detail  string
	remedy  string
}{
	"no TUN": {false, func(f *Facts) { f.TUN = &os.PathError{Op: "open", Path: "/dev/net/tun", Err: unix.ENOENT} },
		"tun", Fail, "/dev/net/tun", "modprobe tun"},
	"TUN for others": {false, func(f *Facts) { f.TUN = unix.EACCES }, "tun", Fail, "permission denied", "sudo"},
	"no privileges": {false, func(f *Facts) { f.Privileges, f.DeviceErr = errors.New("not permitted"), errors.New("not permitted") },
		"privileges", Fail, "not permitted", "sudo"},
	"no device": {false, func(f *Facts) { f.DeviceErr = errors.New("no such ioctl") }, "device", Fail, "no such ioctl", "boot"},
	"no port":   {false, func(f *Facts) { f.PortErr = errors.New("no sockets") }, "port", Fail, "no sockets", "boot"},
	"old kernel": {false, func(f *Facts) {
		f.Device[1] = api.Feature{Name: "uso", State: "unavailable", Reason: "Linux 6.2 has it"}
	}, "device.uso", Warn, "unavailable: Linux 6.2 has it", "6.2"},
	"configured off": {true, func(f *Facts) {
		f.Port[0] = api.Feature{Name: "gso", State: off, Reason: "it is configured off"}
	}, "port.gso", Warn, "configured off", "offload.gso: auto"},
	"IPv4 only": {false, func(f *Facts) {
		f.Port = append(f.Port, api.Feature{Name: "ipv6", State: "unavailable", Reason: "no IPv6"})
	}, "port.ipv6", Warn, "no IPv6", "disable_ipv6=0"},
	"small buffers": {false, func(f *Facts) {
		f.Receive = 1 << 20
		f.Port[2] = api.Feature{Name: largeBuffers, State: "unavailable", Reason: "too small"}
	}, "buffers", Warn, "net.core.rmem_max is 212992", "sysctl -w net.core.rmem_max=8388608 net.core.wmem_max=8388608"},
	"short queue": {false, func(f *Facts) { f.QueueLen = 500 }, "queue", Warn, "500", "ip link set dev weft0 txqueuelen 1000"},
	"one CPU":     {false, func(f *Facts) { f.CPU.CPUs = 1 }, "spin", Warn, "one CPU", "second CPU"},
	"quota":       {false, func(f *Facts) { f.CPU.Quota = 1.5 }, "spin", Warn, "1.5", "CPUQuota="},
	"no egress":   {false, func(f *Facts) { f.EgressErr = kernel.ErrNoAddress }, "egress", Warn, "address", "ip route add"},
	"small MTU":   {false, func(f *Facts) { f.Egress.MTU = 1359 }, "egress", Warn, "1359", "ip link set dev eth0 mtu"},
	"NIC unknown": {false, func(f *Facts) { f.NICErr = unix.EOPNOTSUPP }, "nic", Warn, "not known", ""},
	"GRO off":     {false, func(f *Facts) { f.NIC["rx-gro"] = ethtool.FeatureState{Available: true} }, "nic.gro", Warn, "rx-gro", "ethtool -K eth0 gro on"},
	"no checksums": {false, func(f *Facts) { f.NIC["tx-checksum-ip-generic"] = ethtool.FeatureState{Available: true} },
		"nic.checksum", Warn, "refuses trains", "ethtool -K eth0 tx on"},
	"driver chosen": {true, func(f *Facts) { f.Daemon.Device.Driver = "plain" }, "driver", Warn, "plain: configured", "driver: auto"},
	"driver fell back": {true, func(f *Facts) {
		f.Daemon.Device.Driver = "batch"
		f.Daemon.Degraded = []api.Note{{What: "driver", Reason: "x"}}
	}, "driver", Warn, "batch", "newer kernel"},
	"too few lanes": {true, func(f *Facts) {
		f.Daemon.FastPath.LanesLack = "driver batch gave 1 queue"
		f.Daemon.Degraded = []api.Note{{What: "lanes", Reason: "x"}}
	}, "lanes", Warn, "driver batch gave 1 queue", "lanes: 1"},
	"trains refused": {true, func(f *Facts) { f.Daemon.FastPath.Refused = []api.Note{{What: "vm-2"}, {What: "vm-3"}} },
		"trains", Warn, "vm-2, vm-3", "ethtool -K eth0 tx on"},
	"overflow":    {true, func(f *Facts) { f.Daemon.Socket.Overflow = 5 }, "overflow", Warn, "5 datagrams", "lanes"},
	"queue drops": {true, func(f *Facts) { *f.Daemon.FastPath.Queue.KernelDrops = 6 }, "queue-drops", Warn, "6 packets", "txqueuelen 2000"},
	"no steering": {false, func(f *Facts) { f.Steering = unix.ENOPROTOOPT }, "steering", Warn, "one lane", "newer"},
	"no bridge":   {false, func(f *Facts) { f.Links = unix.EOPNOTSUPP }, "pods.links", Warn, "no pod can start", "modprobe -a bridge veth"},
	"no guard":    {false, func(f *Facts) { f.Guard = podnet.ErrNoGuard }, "pods.guard", Warn, "not theirs", "modprobe -a nf_tables"},
	"no list": {false, func(f *Facts) {
		f.Installed = []install.Step{{Name: "kubelet", Finding: install.OK}, {Name: "list", Finding: install.Fail, Detail: "there is none", Remedy: "weft cni install"}}
	}, "pods.installed", Warn, "list: there is none", "weft cni install"},
	"no lease": {true, func(f *Facts) { f.Daemon.Pods = api.Pods{Lease: "/run/weft/cni.json", Reason: "it has no subnet"} },
		"pods", Warn, "no pod can start here (CNI): it has no subnet", "weft status"},
	"no NAT": {false, func(f *Facts) { f.NAT = unix.EOPNOTSUPP }, "nat", Warn, "cannot masquerade", "modprobe -a nf_tables"},
	"no forwarding": {true, func(f *Facts) { f.Settings.Forwarding4.Value = 0 }, "forwarding.ipv4", Warn, "net.ipv4.ip_forward is 0",
		"sysctl -w net.ipv4.ip_forward=1"},
	"no forwarding of IPv6": {true, func(f *Facts) {
		f.Daemon.Network = append(f.Daemon.Network, netip.MustParsePrefix("fd00:244::/48"))
		f.Settings.Forwarding6.Value = 0
	}, "forwarding.ipv6", Warn, "net.ipv6.conf.all.forwarding is 0", "sysctl -w net.ipv6.conf.all.forwarding=1"},
	"strict reverse path": {true, func(f *Facts) { f.Settings.ReversePath.Value = 1 }, "rp-filter", Warn, "is strict at weft0",
		"sysctl -w net/ipv4/conf/weft0/rp_filter=2"},
	"strict before the device": {false, func(f *Facts) { f.Settings.ReversePath.Value, f.DeviceMTU = 1, 0 }, "rp-filter", Warn, "will be strict",
		"net.ipv4.conf.all.rp_filter=2"},
	"conflict of a route": {false, func(f *Facts) {
		f.Conflict = &kernel.ConflictError{Kind: kernel.KindRoute, Foreign: netip.MustParsePrefix("10.244.7.0/24"), Interface: "eth1", Network: f.Config.Network[0]}
	}, "network", Fail, "route 10.244.7.0/24 of eth1", "ip route del 10.244.7.0/24 dev eth1"},
	"conflict of an address": {true, func(f *Facts) {
		f.Conflict = &kernel.ConflictError{Kind: kernel.KindAddress, Foreign: netip.MustParsePrefix("10.244.7.1/24"), Interface: "br0", Network: f.Config.Network[0]}
	}, "network", Warn, "address 10.244.7.1/24 of br0", "ip address del 10.244.7.1/24 dev br0"},
	"left by another device": {false, func(f *Facts) {
		f.Conflict = &kernel.ConflictError{Kind: kernel.KindAddress, Foreign: netip.MustParsePrefix("10.244.7.1/32"), Interface: "old0", Leftover: true, Network: f.Config.Network[0]}
	}, "network", Fail, "old0", "weft down --device old0"},
	"in Docker's pools": {false, func(f *Facts) { f.Config.Network = []netip.Prefix{netip.MustParsePrefix("172.20.0.0/16")} },
		"network.docker", Warn, "172.20.0.0/14", "default-address-pools"},
	"forward chain of nft": {true, func(f *Facts) { f.Filter.Chains = []Chain{forwardChain(OwnerNFT)} }, "firewall.forward", Warn, "inet filter FORWARD (nft)",
		"nft insert rule inet filter FORWARD iifname weft0 accept && nft insert rule inet filter FORWARD oifname weft0 accept"},
	"forward chain of Docker": {true, func(f *Facts) { f.Filter.Chains = []Chain{forwardChain(OwnerDocker)} }, "firewall.forward", Warn, "docker",
		"iptables -I DOCKER-USER -i weft0 -j ACCEPT && iptables -I DOCKER-USER -o weft0 -j ACCEPT"},
	"forward chain of ufw": {true, func(f *Facts) { f.Filter.Chains = []Chain{forwardChain(OwnerUFW)} }, "firewall.forward", Warn, "ufw",
		"ufw route allow in on weft0"},
	"forward chain of firewalld": {true, func(f *Facts) { f.Filter.Chains = []Chain{forwardChain(OwnerFirewalld)} }, "firewall.forward", Warn, "firewalld",
		"firewall-cmd --permanent --zone=trusted --add-interface=weft0"},
	"forward chain of an old iptables": {true, func(f *Facts) { f.Legacy = &firewall.LegacyError{Device: "weft0"} }, "firewall.forward", Warn, "chain FORWARD of iptables-legacy",
		"iptables-legacy -I FORWARD -i weft0 -j ACCEPT && iptables-legacy -I FORWARD -o weft0 -j ACCEPT"},
	"input drops": {true, func(f *Facts) {
		f.Filter.Chains = []Chain{{Family: "inet", Table: "filter", Name: "input", Hook: "input", Drops: true, Owner: OwnerNFT, Rules: []Rule{portRule(unix.IPPROTO_TCP, Accept)}}}
	}, "firewall.udp", Warn, "none is seen to accept UDP port 9338", "nft insert rule inet filter input udp dport 9338 accept"},
	"input refuses": {true, func(f *Facts) {
		f.Filter.Chains = []Chain{{Family: "ip", Table: "filter", Name: "INPUT", Hook: "input", Owner: OwnerIPTables, Rules: []Rule{portRule(unix.IPPROTO_TCP, Refuse)}}}
	}, "firewall.tcp", Warn, "refuses TCP port 9338", "iptables -I INPUT -p tcp --dport 9338 -j ACCEPT"},
	"input of an old iptables refuses": {true, func(f *Facts) {
		rules := []firewall.LegacyRule{{Protocol: unix.IPPROTO_UDP, Ports: []firewall.LegacyPorts{{First: 9338, Last: 9338}}, Verdict: firewall.LegacyRefuse}}
		f.Filter.Chains = []Chain{legacyChain(firewall.LegacyInput{IPv6: true, Rules: rules})}
	}, "firewall.udp", Warn, "refuses UDP port 9338", "ip6tables-legacy -I INPUT -p udp --dport 9338 -j ACCEPT"},
	"other MTU":      {true, func(f *Facts) { f.DeviceMTU = 1300 }, "mtu", Warn, "the MTU of weft0 is 1300; it should be 1440", "ip link set dev weft0 mtu 1440"},
	"too large MTU":  {true, func(f *Facts) { f.Daemon.Device.MTU, f.DeviceMTU = 1500, 1500 }, "mtu", Warn, "more than the 1500 of eth0", "mtu: 1440"},
	"too big frames": {true, func(f *Facts) { f.Daemon.Drops = map[string]uint64{"too-big": 3} }, "mtu.peers", Warn, "3 frames", "ip route get"},
	"more peers than neighbours": {true, func(f *Facts) {
		f.Neighbours[0].Entries, f.Neighbours[0].Overflows = 1023, 6
		f.Peers[0].Endpoint = "192.0.2.9:9338"
	}, "neighbours.ipv4", Warn, "1023 of 1024 places are taken, and endpoints of peers on this host's links want 1 more", "sysctl -w net.ipv4.neigh.default.gc_thresh3=2048"},
	"a full table of IPv6 neighbours": {false, func(f *Facts) { f.Neighbours[1].Entries = 5000 }, "neighbours.ipv6", Warn, "5000 of 1024",
		"sysctl -w net.ipv6.neigh.default.gc_thresh3=16384 net.ipv6.neigh.default.gc_thresh2=8192 net.ipv6.neigh.default.gc_thresh1=2048"},
	"free clock": {false, func(f *Facts) { f.Clock.Synchronised = false }, "clock", Warn, "nothing keeps the clock", "timedatectl set-ntp true"},
	"clocks apart": {true, func(f *Facts) {
		far := int64(-3600_000)
		f.Peers[0].Skew = &far
	}, "clock.peers", Warn, "vm-2 is 1h0m0s behind", "timedatectl set-ntp true"},
	"peer down": {true, func(f *Facts) { f.Peers[0].State, f.Peers[0].Reason = api.StateDown, "no answer" }, "peers", Warn, "1 of 2 peers are not reached: vm-2: no answer",
		"weft doctor --peer"},
	"older peer": {true, func(f *Facts) { f.Peers[0].Version = "" }, "versions", Warn, "vm-2 (older than this one)", "upgrade"},
	"NAT with a port for each": {true, func(f *Facts) {
		f.Daemon.Advertised = []api.Advertised{{Endpoint: netip.MustParseAddrPort("192.168.1.10:9338")}}
		for _, at := range []string{"192.0.2.1:4001", "192.0.2.1:4002"} {
			f.Daemon.Translated = append(f.Daemon.Translated, api.Seen{Endpoint: netip.MustParseAddrPort(at), Peers: 1})
		}
	}, "nat.mapping", Warn, "peers see us as 192.0.2.1:4001, 192.0.2.1:4002, we advertise 192.168.1.10:9338", "relays"},
	"other peer": {true, func(f *Facts) { f.Peers[0].Version = "v1.3.0" }, "versions", Warn, "vm-2 (v1.3.0)", "upgrade"},
	"no secret": {false, func(f *Facts) { f.Unusable = unusable(&config.Config{SecretFile: "/nowhere/secret"}) },
		"secret", Fail, "secret_file: /nowhere/secret: no such file or directory: weft does not start with it", "weft up --check"},
	"no certificate": {true, func(f *Facts) {
		f.Unusable = unusable(&config.Config{SecretFile: os.DevNull, Certificate: "/nowhere/crt"})[1:]
	},
		"secret", Warn, "certificate: /nowhere/crt: no such file or directory: weft runs on", "weft up --check"},
	"exposed secret": {false, func(f *Facts) { f.Exposed = []Exposed{{"/etc/weft/the secret", 0o644}} }, "secret", Fail, "mode 0644",
		"chmod 600 '/etc/weft/the secret'"},
	"in clear": {false, func(f *Facts) { f.Config.Encryption = false }, "encryption", Warn, "in clear between private addresses", "encryption: on"},
	"in clear everywhere": {true, func(f *Facts) {
		f.Daemon.Encryption, f.Config.ClearOnPublic = "off", true
		f.Daemon.Degraded = []api.Note{{What: "encryption", Reason: "x"}}
	}, "encryption", Warn, "to public addresses, too", "systemctl restart weft"},
	"old secret": {true, func(f *Facts) { f.Daemon.Secrets[0].Since = today.AddDate(-2, 0, 0) }, "secret.age", Warn, "for 730 days", "weft secret rotate"},
	"rotation that stands still": {true, func(f *Facts) {
		f.Daemon.Secrets = append(f.Daemon.Secrets, api.Secret{ID: "77777777", Since: today.AddDate(0, 0, -8)})
	}, "secret.age", Warn, "two secrets are held since 2026-11-13", "weft secret rotate"},
	"certificate that ends": {true, func(f *Facts) { f.Daemon.Trust.Certificate.NotAfter = today.AddDate(0, 0, 9) },
		"certificate", Warn, "in 9 days", "'weft authority sign vm-1 f1 --subnet 10.244.0.0/16'"},
	"certificate that has ended": {true, func(f *Facts) {
		f.Daemon.Trust.Certificate.NotAfter = today.AddDate(0, 0, -1)
		f.Daemon.Degraded = []api.Note{{What: "certificate", Reason: "x"}}
	}, "certificate", Fail, "it expired 2026-11-20", "weft authority sign"},
	"certificate that was revoked": {true, func(f *Facts) { f.Daemon.Degraded = []api.Note{{What: "certificate", Reason: "it was revoked"}} },
		"certificate", Fail, "it was revoked", "weft authority sign"},
	"key that was revoked": {true, func(f *Facts) {
		f.Daemon.Degraded = []api.Note{{What: "certificate", Reason: "its key was revoked: run 'weft key replace'"}}
	}, "certificate", Fail, "its key was revoked", "weft key replace"},
	"clocks days apart": {true, func(f *Facts) {
		far := int64(30 * 3600_000)
		f.Peers[0].Skew = &far
	}, "clock.peers", Warn, "vm-2 is 30h0m0s ahead (gossip with it is dropped where there is no session)", "timedatectl set-ntp true"},
	"bad configuration":           {false, func(f *Facts) { f.ConfigErr = errors.New("line 3: x") }, "config", Fail, "line 3", "edit /etc/weft/weft.yaml"},
	"bad configuration, running":  {true, func(f *Facts) { f.ConfigErr = errors.New("line 3: x") }, "config", Warn, "does not start again", "edit /etc/weft/weft.yaml"},
	"read-only state directory":   {false, func(f *Facts) { f.State.Err = unix.EROFS }, "state-dir", Warn, "read-only", "mount -o remount,rw"},
	"full disk":                   {false, func(f *Facts) { f.State.Err = unix.ENOSPC }, "state-dir", Warn, "full", "journalctl --vacuum-size"},
	"nearly full disk":            {false, func(f *Facts) { f.State.Free = 4096 }, "state-dir", Warn, "4 KiB left", "journalctl --vacuum-size"},
	"state directory of others":   {false, func(f *Facts) { f.State.Err = unix.EACCES }, "state-dir", Warn, "permission denied", "sudo"},
	"state directory that is odd": {false, func(f *Facts) { f.State.Err = unix.ENOTDIR }, "state-dir", Warn, "not a directory", "set state_dir"},
	"anything else": {true, func(f *Facts) { f.Daemon.Degraded = []api.Note{{What: "kernel", Reason: "no route"}} },
		"daemon.kernel", Warn, "no route", ""},
}

// forwardChain is a chain that drops what is forwarded, but for what comes in by weft0.
func forwardChain(owner Owner) Chain {
	return Chain{
		Family: "inet", Table: "filter", Name: "FORWARD", Hook: "forward", Drops: true, Owner: owner,
		Rules: []Rule{{In: "weft0", Verdict: Accept}, {Out: "docker0", Verdict: Accept}},
	}
}

func portRule(protocol byte, v Verdict) Rule {
	return Rule{Protocol: protocol, Ports: []Ports{{9000, 9400}}, Verdict: v}
}

func TestWhatIsWrongIsFoundByOneCheckWithItsRemedy(t *testing.T) {
	for name, test := range broken {
		t.Run(name, func(t *testing.T) {
			f := healthy()
			if test.daemon {
				f = served()
			}
			test.spoil(f)
			var found []Check
			for _, c := range Examine(f).Checks {
				if c.Finding != OK {
					found = append(found, c)
				}
			}
			if len(found) != 1 {
				t.Fatalf("found %+v", found)
			}
			c := found[0]
			if c.Command != "" && !strings.HasPrefix(c.Remedy, c.Command) {
				t.Errorf("the remedy does not begin with the command: %+v", c)
			}
			if c.Name != test.name || c.Finding != test.finding || !strings.Contains(c.Detail, test.detail) ||
				!strings.Contains(c.Remedy, test.remedy) || (c.Remedy == "") != (test.remedy == "") {
				t.Errorf("found %+v", c)
			}
		})
	}
}

func TestWhatANetworkCardCannotIsNoFinding(t *testing.T) {
	for _, driver := range []string{"e1000", "veth"} {
		f := healthy()
		f.NIC, f.NICDriver = nil, driver
		if r := Examine(f); r.Count(OK) != len(r.Checks) {
			t.Errorf("%s: %+v", driver, r.Checks)
		}
	}
}

func TestTheDaemonsWordCountsForWhatItHasOpen(t *testing.T) {
	f := served()
	f.TUN, f.Privileges = fmt.Errorf("open: %w", unix.EACCES), errors.New("not permitted") // of who asks
	if r := Examine(f); r.Count(OK) != len(r.Checks) {
		t.Errorf("%+v", r.Checks)
	}
	asked := &Facts{Overlay: "weft0"}
	asked.ask(&api.Status{Node: api.Node{
		Device: api.Device{Name: "w7", Features: switchedOn("tso")}, Socket: api.Socket{ReceiveBuffer: 1, SendBuffer: 2, Features: switchedOn("gso")},
		FastPath: api.FastPath{CPUs: 3, CPUQuota: 1.5},
	}})
	if asked.Overlay != "w7" || asked.CPU != (cpu.Share{CPUs: 3, Quota: 1.5}) || len(asked.Device) != 1 || len(asked.Port) != 1 ||
		asked.Receive != 1 || asked.Send != 2 {
		t.Errorf("%+v", asked)
	}
}

func TestTheReportsJSONIsStable(t *testing.T) {
	text, err := json.Marshal(Report{Daemon: "d", Checks: []Check{{"a", OK, "b", "", ""}, {"c", Fail, "d", "e; f", "e"}}})
	want := `{"daemon":"d","checks":[{"name":"a","finding":"ok","detail":"b"},` +
		`{"name":"c","finding":"fail","detail":"d","remedy":"e; f","command":"e"}]}`
	if err != nil || string(text) != want {
		t.Errorf("%s, %v; want %s", text, err, want)
	}
}

func TestAPublicAddressInFrontOfANodeIsNoFault(t *testing.T) {
	f := served()
	f.Daemon.Translated = []api.Seen{{Endpoint: netip.MustParseAddrPort("192.0.2.1:9338"), Peers: 2}}
	r := Examine(f)
	i := slices.IndexFunc(r.Checks, func(c Check) bool { return c.Name == "nat.mapping" })
	if i < 0 || r.Checks[i].Finding != OK || !strings.Contains(r.Checks[i].Detail, "peers see us as 192.0.2.1:9338") {
		t.Errorf("%+v", r.Checks)
	}
}
