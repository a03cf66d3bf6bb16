package main

import (
	"fmt"
	"net/netip"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/lab/cluster"
	"github.com/weftnet/weft/node/api"
)

const (
	// backWithin is how soon forwarding must be back after somebody damaged the host's network.
	backWithin = 5 * time.Second
	// hiccup is how long a loaded machine may hold up a stream that nothing disturbs.
	hiccup = 2 * time.Second
	// mostLines is what a daemon may say about one damage: what it found, and what it did.
	mostLines = 6
	// mostOfOne is how often it may tell of one event: a damage that is not done at one moment may be mended in two steps.
	mostOfOne = 2
)

// damages are what operators, network managers and scripts do to a host, as commands on it. UNDERLAY4 and UNDERLAY6 stand for
// its own addresses: what is not weft's is put back in the same breath, as whoever manages the underlay does.
var damages = []struct {
	name, command string
	says          string // an event that the log must name; empty: none, it is not for weft to mend
}{
	{"route flush of the device", "ip route flush dev weft0", "node.kernel.changed"},
	{"route flush of the device, IPv6", "ip -6 route flush dev weft0", "node.kernel.changed"},
	{"route flush of everything", "ip route flush table main; ip route add 192.0.2.0/24 dev eth0 src UNDERLAY4", "node.kernel.changed"},
	{"route flush of everything, IPv6", "ip -6 route flush table main; ip -6 route add fd77:6566:7400::/64 dev eth0", "node.kernel.changed"},
	{"address flush", "ip address flush dev weft0", "node.kernel.changed"},
	{"device down", "ip link set weft0 down", "node.kernel.changed"},
	{"device MTU", "ip link set weft0 mtu 900", "node.kernel.changed"},
	{"device deleted", "ip link delete weft0", "node.device.reopened"},
	{"device renamed", "ip link set weft0 name foo", "node.device.reclaimed"},
	{"device without its alias", "ip link set weft0 alias ''", "node.device.reclaimed"},
	{"device moved away", "unshare -n sleep 1 & sleep 0.2; ip link set weft0 netns $!; wait", "node.device.reopened"},
	{"firewall flush", "nft flush ruleset", "node.firewall.changed"},
	{"everything at once", "nft flush ruleset; ip address flush dev weft0; ip route flush dev weft0; ip link set weft0 down mtu 900; ip link delete weft0", "node.device.reopened"},
	{"underlay down and up", "ip link set eth0 down; sleep 2; ip link set eth0 up; ip -6 address replace UNDERLAY6/64 dev eth0 nodad", ""},
}

func TestForwardingIsBackWithinFiveSecondsOfDamageAndTheLogSaysItOnce(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2)
	startAll(t, c)
	n, peer := c.Nodes[0], status(t, c.Nodes[1]).Node
	var streams []*stream
	for _, addr := range peer.Addresses {
		streams = append(streams, startStream(t, n, c.Nodes[1], addr))
	}
	for _, d := range damages {
		t.Run(d.name, func(t *testing.T) {
			if _, err := exec.LookPath(strings.Fields(d.command)[0]); err != nil {
				t.Skip(err)
			}
			look := func() string { return network(t, n) }
			if d.says == "" { // the path may come back by the other family, whose routes have another MTU
				look = func() string { return routeMTU.ReplaceAllString(network(t, n), "") }
			}
			before, start := look(), time.Now()
			mark := markLog(t, n)
			command := strings.NewReplacer("UNDERLAY4", n.Addr4().String(), "UNDERLAY6", n.Addr6().String()).Replace(d.command)
			if _, err := n.Run(within(t, patience), "sh", "-c", command); err != nil {
				t.Fatal(err)
			}
			await(t, func() (bool, string) {
				now := look()
				return now == before, fmt.Sprintf("the network was\n%s and is\n%s", before, now)
			})
			mended := time.Since(start)
			for _, s := range streams {
				s.flows(t)
			}
			for i, s := range streams {
				gap := s.gap(start)
				t.Logf("stream %d: gap %v; whole again after %v", i, gap.Round(time.Millisecond), mended.Round(time.Millisecond))
				if gap > backWithin {
					t.Errorf("stream %d stood still for %v", i, gap)
				}
			}
			await(t, func() (bool, string) {
				return d.says == "" || count(mark.lines(t), d.says) > 0, "the log does not say " + d.says
			})
			if said := mark.lines(t); len(said) > mostLines || d.says != "" && count(said, d.says) > mostOfOne {
				t.Errorf("the log says, want %s %d times and %d lines at most:\n%s", d.says, mostOfOne, mostLines, strings.Join(said, "\n"))
			}
		})
	}
}

var routeMTU = regexp.MustCompile(` mtu \d+`)

// Somebody else's interface of the device's name stays in the way until it is removed: that is said once, however often the
// node looks.
func TestADeviceThatSomebodyReplacesIsSaidOnceAndTakenBackWhenItIsGone(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2)
	startAll(t, c)
	n := c.Nodes[0]
	s := startStream(t, n, c.Nodes[1], status(t, c.Nodes[1]).Node.Addresses[0])
	mark := markLog(t, n)
	run := func(command string) {
		t.Helper()
		if _, err := n.Run(within(t, patience), "sh", "-c", command); err != nil {
			t.Fatal(err)
		}
	}
	run(fmt.Sprintf("kill -STOP %d; ip link delete weft0; ip link add weft0 type bridge; kill -CONT %[1]d", n.Daemon().PID())) // it is fast
	awaitDegraded(t, n, "device", "not an interface of weft")
	run("for i in 1 2 3 4 5 6 7 8; do ip address add 198.51.100.1/32 dev lo; ip address del 198.51.100.1/32 dev lo; sleep 0.2; done")
	awaitDegraded(t, n, "device", "not an interface of weft")
	start := time.Now()
	run("ip link delete weft0")
	awaitNotDegraded(t, n, "device")
	s.flows(t)
	if gap := s.gap(start); gap > backWithin {
		t.Errorf("the stream stood still for %v", gap)
	}
	if said := mark.lines(t); len(said) > mostLines {
		t.Errorf("the log says\n%s", strings.Join(said, "\n"))
	}
}

// awaitDegraded waits until status names the subject as degraded, for a reason that holds all of words.
func awaitDegraded(t *testing.T, n *cluster.Node, what string, words ...string) {
	t.Helper()
	err := n.AwaitStatus(within(t, patience), func(s *api.Status) (bool, string) {
		for _, d := range s.Node.Degraded {
			if d.What == what && !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(d.Reason, w) }) {
				return true, ""
			}
		}
		return false, fmt.Sprintf("degraded: %+v", s.Node.Degraded)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func awaitNotDegraded(t *testing.T, n *cluster.Node, what string) {
	t.Helper()
	err := n.AwaitStatus(within(t, patience), func(s *api.Status) (bool, string) {
		i := slices.IndexFunc(s.Node.Degraded, func(d api.Note) bool { return d.What == what })
		return i < 0, fmt.Sprintf("degraded: %+v", s.Node.Degraded)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// network is what weft keeps of the host's network: routes, the device, its addresses.
func network(t *testing.T, n *cluster.Node) string {
	t.Helper()
	out, err := n.Run(within(t, patience), "sh", "-c",
		`ip route; ip -6 route; ip -o address show dev weft0 | sed 's/^[0-9]*://; s/ *valid_lft.*//'; ip -o link show dev weft0 | sed 's/.*mtu \([0-9]*\).*/mtu \1/'`)
	if err != nil && !strings.Contains(err.Error(), "does not exist") {
		t.Fatal(err)
	}
	var kept []string
	for line := range strings.Lines(out) {
		if !strings.Contains(line, "dev eth0") { // the underlay's own routes are for others to mend
			kept = append(kept, strings.TrimSpace(strings.ReplaceAll(line, " linkdown", "")))
		}
	}
	return strings.Join(kept, "\n")
}

// logMark is a place in a daemon's log.
type logMark struct {
	node *cluster.Node
	from int
}

// markLog remembers where the log of the daemon that runs now ends.
func markLog(t *testing.T, n *cluster.Node) logMark {
	t.Helper()
	return logMark{n, len(daemonLog(t, n))}
}

func daemonLog(t *testing.T, n *cluster.Node) string {
	t.Helper()
	text, err := n.Daemon().Stderr()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// lines are what the daemon has logged since.
func (m logMark) lines(t *testing.T) []string {
	t.Helper()
	text := strings.TrimSpace(daemonLog(t, m.node)[m.from:])
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

// count is how many of the lines tell of an event.
func count(lines []string, event string) int {
	n := 0
	for _, line := range lines {
		if strings.Contains(line, "msg="+event+" ") || strings.HasSuffix(line, "msg="+event) {
			n++
		}
	}
	return n
}

// A node that moves to another underlay address is reached there within the same time.
func TestTrafficFollowsAnUnderlayAddressThatChanges(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2)
	startAll(t, c)
	n := c.Nodes[1]
	there := startStream(t, c.Nodes[0], n, status(t, n).Node.Addresses[0])
	back := startStream(t, n, c.Nodes[0], status(t, c.Nodes[0]).Node.Addresses[0])
	mark, start := markLog(t, c.Nodes[0]), time.Now()
	if err := n.ChangeAddress(netip.MustParseAddr("192.0.2.77"), netip.MustParseAddr("fd77:6566:7400::77")); err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]*stream{"to it": there, "from it": back} {
		s.flows(t)
		if gap := s.gap(start); gap > backWithin {
			t.Errorf("the stream %s stood still for %v", name, gap)
		} else {
			t.Logf("gap of the stream %s: %v", name, gap.Round(time.Millisecond))
		}
	}
	if said := mark.lines(t); len(said) > mostLines {
		t.Errorf("the peer says\n%s", strings.Join(said, "\n"))
	}
}
