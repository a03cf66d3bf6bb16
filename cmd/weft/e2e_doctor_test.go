package main

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/weftnet/weft/lab/cluster"
	"github.com/weftnet/weft/lab/labtest"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/doctor"
)

// examined is what 'weft doctor --json' says on a node's host.
func examined(t *testing.T, n *cluster.Node, flags ...string) doctor.Report {
	t.Helper()
	args := append([]string{"doctor", "--json", "--socket", n.Socket(), "--config", n.Config()}, flags...)
	text, err := n.Weft(within(t, patience), args...)
	var r doctor.Report
	if bad := json.Unmarshal([]byte(text), &r); bad != nil {
		t.Fatalf("%v, %v\n%s", err, bad, text)
	}
	return r
}

// names are those of the checks, and what each found.
func names(r doctor.Report) map[string]doctor.Finding {
	list := map[string]doctor.Finding{}
	for _, c := range r.Checks {
		list[c.Name] = c.Finding
	}
	return list
}

// check is the one of that name; zero: there is none.
func check(r doctor.Report, name string) doctor.Check {
	for _, c := range r.Checks {
		if c.Name == name {
			return c
		}
	}
	return doctor.Check{}
}

// shell runs a command line on a node's host.
func shell(t *testing.T, n *cluster.Node, script string) string {
	t.Helper()
	text, err := n.Run(within(t, patience), "sh", "-ec", script)
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, text)
	}
	return text
}

func TestTheDoctorLooksAtTheMachineAndAtTheDaemonOnceItRuns(t *testing.T) {
	c := newCluster(t, 1)
	n := c.Nodes[0]
	links := func() string { t.Helper(); return shell(t, n, "ip -o link; nft list ruleset") }
	before := links()
	alone := examined(t, n)
	if found := names(alone); found["tun"] != doctor.OK || found["device.tso"] == "" || found["port.gso"] == "" || found["driver"] != "" ||
		found["nat"] != doctor.OK || found["steering"] != doctor.OK || found["config"] != doctor.OK || found["network"] != doctor.OK {
		t.Errorf("without a daemon: %+v", alone)
	}
	if after := links(); after != before {
		t.Errorf("interfaces and rules were\n%s\nand are\n%s", before, after)
	}
	if err := n.Up("--offload-gso", "off"); err != nil {
		t.Fatal(err)
	}
	awaitAll(t, c)
	served := examined(t, n)
	if found := names(served); found["driver"] == "" || found["lanes"] != doctor.OK || found["port.gso"] != doctor.Warn || found["state-dir"] != doctor.OK {
		t.Errorf("with a daemon: %+v", served)
	}
	assertSays(t, served.Daemon, fmt.Sprintf("process %d", status(t, n).Node.PID))
}

func TestTheDoctorFailsWhereWeftCannotRun(t *testing.T) {
	needRoot(t)
	if _, err := exec.LookPath("setpriv"); err != nil {
		t.Skip("setpriv is not installed")
	}
	c := newCluster(t, 1)
	n := c.Nodes[0]
	text, err := n.Run(within(t, patience), "setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin",
		labtest.Weft(t), "doctor", "--socket", n.Socket())
	if err == nil {
		t.Errorf("no error; it says\n%s", text)
	}
	assertSays(t, text+fmt.Sprint(err), "privileges", "remedy: run it as root: sudo weft doctor", "checks failed")
	if strings.Contains(text, "weftprobe") {
		t.Errorf("it says more than the reason:\n%s", text)
	}
}

// breakage is something wrong with a host, made by a command, and the check that finds it.
type breakage struct{ make, check string }

var breakages = []breakage{
	{"sysctl -qw net.ipv4.ip_forward=0", "forwarding.ipv4"},
	{"sysctl -qw net.ipv6.conf.all.forwarding=0", "forwarding.ipv6"},
	{"sysctl -qw net.ipv4.conf.weft0.rp_filter=1", "rp-filter"},
	{"ip link set dev weft0 txqueuelen 100", "queue"},
	{"ip link set dev eth0 mtu 1300", "egress"},
	{"ip route add 10.244.77.0/24 dev eth0", "network"},
	{"ip -6 route add fd10:244:0:77::/64 dev eth0", "network"},
	{"ip address add 10.244.77.1/24 dev eth0", "network"},
	{"chmod 640 secret", "secret"},
	{"chmod 644 state/node.key", "secret"},
	{"nft add table inet mine; nft add chain inet mine forward '{ type filter hook forward priority 0; policy drop; }'", "firewall.forward"},
	{"nft add table ip other; nft add chain ip other forward '{ type filter hook forward priority 5; }'; nft add rule ip other forward counter drop", "firewall.forward"},
	{"nft add table inet in1; nft add chain inet in1 input '{ type filter hook input priority 0; policy drop; }'; " +
		"nft add rule inet in1 input ct state established,related accept; nft add rule inet in1 input tcp dport '{ 22, 9000-9400 }' accept; " +
		"nft add rule inet in1 input ip protocol icmp accept", "firewall.udp"},
	{"nft add table ip in2; nft add chain ip in2 input '{ type filter hook input priority 1; }'; nft add rule ip in2 input tcp dport 9338 ct state new reject", "firewall.tcp"},
	{"iptables-legacy -A INPUT -p udp --dport 9000:9400 -j DROP", "firewall.udp"},
	{"ip6tables-legacy -A INPUT -i lo -j ACCEPT; ip6tables-legacy -P INPUT DROP; ip6tables-legacy -A INPUT -p udp --dport 9338 -j ACCEPT", "firewall.tcp"},
}

// TestWhatTheDoctorFindsIsGoneOnceItsRemedyWasRun breaks a host in one way after the other, and mends it with the command that
// the doctor names.
func TestWhatTheDoctorFindsIsGoneOnceItsRemedyWasRun(t *testing.T) {
	needProgram(t, "nft", "sysctl", "iptables-legacy", "ip6tables-legacy")
	c := newCluster(t, 1, "--forwarding", "off", "--firewall", "off")
	n := c.Nodes[0]
	startAll(t, c)
	for _, d := range breakages {
		if was := check(examined(t, n), d.check); was.Finding != doctor.OK {
			t.Errorf("%s is not ok before: %+v", d.check, was)
			continue
		}
		shell(t, n, "cd "+n.Dir()+"; "+d.make)
		found := check(examined(t, n), d.check)
		if found.Finding == doctor.OK || found.Command == "" {
			t.Errorf("%s: %+v", d.make, found)
			continue
		}
		shell(t, n, found.Command)
		if now := check(examined(t, n), d.check); now.Finding != doctor.OK {
			t.Errorf("%s: '%s' does not mend it: %+v", d.make, found.Command, now)
		}
	}
}

func needProgram(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("%s is not installed: run scripts/setup.sh", p)
		}
	}
}

// stateful is the filter of a host that lets in what answers its own packets, and ping: the path to a peer that it called
// first stays up.
const stateful = `nft add table inet filter
nft add chain inet filter input '{ type filter hook input priority 0; policy accept; }'
nft add rule inet filter input ct state established,related accept
nft add rule inet filter input meta l4proto '{ icmp, ipv6-icmp }' accept
nft add rule inet filter input iif lo accept
nft add chain inet filter input '{ policy drop; }'`

func TestAPeersCallShowsWhatAFirewallStopsAndThatTheRemedyMendsIt(t *testing.T) {
	needProgram(t, "nft")
	c := newCluster(t, 2)
	startAll(t, c)
	n := c.Nodes[0]
	if found := names(called(t, n, "vm-2")); found["reach.udp"] != doctor.OK || found["reach.tcp"] != doctor.OK {
		t.Errorf("on an open host: %v", found)
	}
	shell(t, n, stateful)
	closed := called(t, n, "vm-2")
	for _, name := range []string{"reach.udp", "reach.tcp", "firewall.udp", "firewall.tcp"} {
		if got := check(closed, name); got.Finding != doctor.Warn {
			t.Errorf("behind a firewall: %s is %+v", name, got)
		}
	}
	awaitPeer(t, n, "vm-2", api.StateUp)
	shell(t, n, check(closed, "firewall.udp").Command)
	udp := called(t, n, "vm-2")
	if found := names(udp); found["reach.udp"] != doctor.OK || found["reach.tcp"] != doctor.Warn || found["firewall.udp"] != doctor.OK {
		t.Errorf("with UDP let in: %+v", udp)
	}
	shell(t, n, check(closed, "firewall.tcp").Command)
	if found := names(called(t, n, "vm-2")); found["reach.udp"] != doctor.OK || found["reach.tcp"] != doctor.OK {
		t.Errorf("with both let in: %v", found)
	}
}

// called is what the doctor says after a peer has called; it asks again while the peer was asked too often.
func called(t *testing.T, n *cluster.Node, peer string) (r doctor.Report) {
	t.Helper()
	await(t, func() (bool, string) {
		r = examined(t, n, "--peer", peer)
		why := check(r, "reach").Detail
		return !strings.Contains(why, "too often"), why
	})
	return r
}

func TestWithoutAPathTheDoctorTriesFromItsSideAndSaysSo(t *testing.T) {
	c := newCluster(t, 2)
	startAll(t, c)
	n := c.Nodes[0]
	if err := c.Nodes[1].Kill(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	awaitPeer(t, n, "vm-2", api.StateDown)
	r := examined(t, n, "--peer", "vm-2")
	assertSays(t, check(r, "reach").Detail, "no path to vm-2", "from this side only", "UDP is not answered", "TCP is refused")
	assertSays(t, check(r, "peers").Detail, "1 of 1 peers are not reached", "vm-2")
	assertSays(t, check(examined(t, n, "--peer", "vm-9"), "reach").Detail, "no peer", "vm-9", "vm-2")
}

func TestTheDoctorSaysThatABrokenFileKeepsWeftFromStartingAgain(t *testing.T) {
	c := newCluster(t, 1)
	n := c.Nodes[0]
	startAll(t, c)
	shell(t, n, "echo 'spped: 1' >> "+n.Config())
	found := check(examined(t, n), "config")
	if found.Finding != doctor.Warn {
		t.Errorf("%+v", found)
	}
	assertSays(t, found.Detail, "spped", "does not start again")
}

// TestAStrictReversePathFilterDropsWhatComesFromANetworkWithAnotherWay shows why the doctor warns: vm-1 reaches the network
// behind vm-2 directly, too.
func TestAStrictReversePathFilterDropsWhatComesFromANetworkWithAnotherWay(t *testing.T) {
	needProgram(t, "sysctl", "nstat")
	c := newCluster(t, 2)
	one, two := c.Nodes[0], c.Nodes[1]
	for n, flags := range map[*cluster.Node][]string{one: nil, two: {"--routes", "198.51.100.0/24"}} {
		if err := n.Up(flags...); err != nil {
			t.Fatal(err)
		}
	}
	awaitAll(t, c)
	shell(t, two, "ip address add 198.51.100.1/24 dev lo")
	shell(t, one, fmt.Sprintf("ip route add 198.51.100.0/24 via %v dev eth0 metric 10", two.Addr4()))
	shell(t, one, "sysctl -qw net.ipv4.conf.weft0.rp_filter=1")
	ping := []string{"ping", "-n", "-c", "1", "-W", "1", "-I", "198.51.100.1", status(t, one).Node.Addresses[0].String()}
	await(t, func() (bool, string) { // the packets arrive, and are counted
		_, err := two.Run(within(t, patience), ping...)
		text, bad := one.Run(within(t, patience), "sh", "-c", "nstat -asz TcpExtIPReversePathFilter | tail -1")
		fields := strings.Fields(text)
		return err != nil && bad == nil && len(fields) > 1 && fields[1] != "0", fmt.Sprint(err, bad, text)
	})
	shell(t, one, check(examined(t, one), "rp-filter").Command)
	if text, err := two.Run(within(t, patience), ping...); err != nil {
		t.Errorf("once the remedy was run: %v\n%s", err, text)
	}
}
