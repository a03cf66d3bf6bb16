package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	types100 "github.com/containernetworking/cni/pkg/types/100"

	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/cluster"
	"github.com/weftnet/weft/node/api"
)

// buildPlugin builds the CNI plugin for a test.
func buildPlugin(t *testing.T) string {
	t.Helper()
	for _, program := range []string{"nft", "ip"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed: run scripts/setup.sh", program)
		}
	}
	file := filepath.Join(t.TempDir(), "weft-cni")
	cmd := exec.Command("go", "build", "-o", file, "github.com/weftnet/weft/cmd/weft-cni")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the plugin: %v: %s", err, out)
	}
	return file
}

// madePod is a pod that the plugin made: its namespace, and the node that it lives on.
type madePod struct {
	*lab.Host
	node   *cluster.Node
	plugin string
	result types100.Result
}

// podInterface is what a pod's interface is called here: the lab has given its namespace an eth0.
const podInterface = "pod0"

// addPod makes a pod on a node, with the plugin.
func addPod(t *testing.T, c *cluster.Cluster, n *cluster.Node, plugin, name string) *madePod {
	t.Helper()
	space, err := c.Host(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := space.Run(within(t, patience), "ip", "link", "set", "eth0", "down"); err != nil { // the lab's: a pod has but its own
		t.Fatal(err)
	}
	p := &madePod{Host: space, node: n, plugin: plugin}
	out, err := p.call(t, "ADD")
	if err == nil {
		err = json.Unmarshal([]byte(out), &p.result)
	}
	if err != nil || len(p.result.IPs) == 0 {
		t.Fatalf("ADD: %v: %s", err, out)
	}
	return p
}

// call calls the plugin on the pod's node.
func (p *madePod) call(t *testing.T, operation string) (string, error) {
	t.Helper()
	conf := fmt.Sprintf(`{"cniVersion":"1.1.0","name":"weft","type":"weft-cni","runDir":%q}`, filepath.Join(p.node.Dir(), "run"))
	env := []string{"env", "CNI_COMMAND=" + operation, "CNI_CONTAINERID=" + p.Name(), "CNI_NETNS=/run/netns/" + p.FullName(), "CNI_IFNAME=" + podInterface,
		"CNI_PATH=/", "CNI_ARGS=K8S_POD_NAMESPACE=default;K8S_POD_NAME=" + p.Name()}
	return p.node.RunCommand(within(t, patience), lab.Command{Args: append(env, p.plugin), Stdin: strings.NewReader(conf)})
}

// end deletes the pod.
func (p *madePod) end(t *testing.T) {
	t.Helper()
	if out, err := p.call(t, "DEL"); err != nil {
		t.Fatalf("DEL: %v: %s", err, out)
	}
}

func (p *madePod) addr() netip.Addr {
	a, _ := netip.AddrFromSlice(p.result.IPs[0].Address.IP)
	return a.Unmap()
}

// sourceSeen is the source that a pod sees of a connection from a host to an address, which leads to the pod's port 8080.
func (p *madePod) sourceSeen(t *testing.T, from *lab.Host, at string) netip.Addr {
	t.Helper()
	var l net.Listener
	if err := p.Do(func() (err error) {
		l, err = net.Listen("tcp4", netip.AddrPortFrom(p.addr(), 8080).String())
		return err
	}); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := from.Do(func() error {
		conn, err := net.DialTimeout("tcp4", at, patience)
		if err == nil {
			conn.Close()
		}
		return err
	}); err != nil {
		t.Fatalf("%s calls %s: %v", from.Name(), at, err)
	}
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return netip.MustParseAddrPort(conn.RemoteAddr().String()).Addr().Unmap()
}

// awaitPods waits until status says of pods what ready wants.
func awaitPods(t *testing.T, n *cluster.Node, ready func(*api.Pods) bool) {
	t.Helper()
	err := n.AwaitStatus(within(t, patience), func(s *api.Status) (bool, string) {
		return ready(&s.Node.Pods), fmt.Sprintf("pods are %+v", s.Node.Pods)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func leased(p *api.Pods) bool { return p.Leased }

// dropForwarded is a host that forwards nothing of others: Docker's policy.
func dropForwarded(h *lab.Host) error {
	_, err := h.Run(interrupted, "nft", "add table inet mine; add chain inet mine forward { type filter hook forward priority 0; policy drop; }")
	return err
}

// nodePort leads port 30080 of a node to port 8080 of a pod, as kube-proxy does.
func nodePort(t *testing.T, p *madePod) {
	t.Helper()
	shell(t, p.node, fmt.Sprintf(`nft 'add table ip services; add chain ip services pre { type nat hook prerouting priority dstnat; }
		add rule ip services pre tcp dport 30080 dnat to %s:8080'`, p.addr()))
}

func TestPodsOfThePluginReachEachOtherWithTheirOwnAddressesAndOutliveTheDaemon(t *testing.T) {
	t.Parallel()
	plugin := buildPlugin(t)
	c := newClusterOf(t, cluster.Options{Hosts: 2, Prepare: dropForwarded})
	n, outside := c.Nodes[0], outsider(t, c)
	tooEarly(t, c, plugin)
	startAll(t, c)
	for _, x := range c.Nodes {
		awaitPods(t, x, leased)
	}
	shell(t, n, "! ip link show weftbr0 2>/dev/null && ! nft list table bridge weft 2>/dev/null") // without pods nothing is made
	a, b, far := addPod(t, c, n, plugin, "pod-a"), addPod(t, c, n, plugin, "pod-b"), addPod(t, c, c.Nodes[1], plugin, "pod-c")
	for _, x := range c.Nodes {
		awaitPods(t, x, func(p *api.Pods) bool { return p.Held > 0 && p.Bridge != "" && p.Guard == "on" })
	}
	for _, to := range []*madePod{b, far} {
		awaitPing(t, a, to.addr())
		if seen := to.sourceSeen(t, a.Host, to.addr().String()+":8080"); seen != a.addr() {
			t.Errorf("%s sees %v, and the caller is %v", to.Name(), seen, a.addr())
		}
	}
	nodePort(t, a)
	if seen := a.sourceSeen(t, outside, n.Addrs()[0].String()+":30080"); seen != outside.Addrs()[0] {
		t.Errorf("through a port of the node the pod sees %v, want %v", seen, outside.Addrs()[0])
	}
	awaitPing(t, a, outside.Addrs()[0]) // which has no route to pods: masqueraded

	t.Run("what somebody deletes comes back", func(t *testing.T) { comesBack(t, n, a, far) })
	t.Run("the daemon is killed", func(t *testing.T) { withoutDaemon(t, c, a, b, far) })
	t.Run("another subnet", func(t *testing.T) { inAnotherSubnet(t, c, a, far) })
	t.Run("down", func(t *testing.T) { downWithPods(t, n, a, b) })
}

// tooEarly starts the second node alone, which has no subnet before it has heard of the first: ADD says what status says.
func tooEarly(t *testing.T, c *cluster.Cluster, plugin string) {
	t.Helper()
	n := c.Nodes[1]
	if err := n.Up(); err != nil {
		t.Fatal(err)
	}
	awaitPods(t, n, func(p *api.Pods) bool { return strings.Contains(p.Reason, "no peer has answered yet") })
	space, err := c.Host("pod-early")
	if err != nil {
		t.Fatal(err)
	}
	out, err := (&madePod{Host: space, node: n, plugin: plugin}).call(t, "ADD")
	if err == nil || !strings.Contains(out, `"code": 11`) || !strings.Contains(out, "weft on node vm-2: it has no subnet for pods yet: no peer has answered yet") {
		t.Errorf("ADD: %v: %s", err, out)
	}
	if err := n.Stop(within(t, patience)); err != nil { // it would call the first one at long intervals by now
		t.Fatal(err)
	}
}

// comesBack deletes what the daemon keeps for pods, piece by piece.
func comesBack(t *testing.T, n *cluster.Node, a, far *madePod) {
	run := filepath.Join(n.Dir(), "run")
	shell(t, n, "ip link delete weftbr0; nft delete table bridge weft; rm "+run+"/cni.json")
	start := time.Now()
	awaitPing(t, a, far.addr())
	awaitPing(t, far, a.addr())
	if took := time.Since(start); took > backWithin {
		t.Errorf("the bridge was back after %v", took)
	}
	shell(t, n, "for i in $(seq 100); do [ -e "+run+"/cni.json ] && nft list table bridge weft >/dev/null 2>&1 && exit; sleep 0.1; done; exit 1")
	if out, err := a.call(t, "CHECK"); err == nil || !strings.Contains(out, "prevResult") {
		t.Errorf("CHECK without a result: %v %s", err, out)
	}
}

// withoutDaemon adds a pod while the daemon is dead, and starts it again while pods of one host talk.
func withoutDaemon(t *testing.T, c *cluster.Cluster, a, b, far *madePod) {
	n := a.node
	pinging, err := a.Start("ping", "-i", "0.05", "-q", "-c", "60", b.addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Kill(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	late := addPod(t, c, n, a.plugin, "pod-late")
	awaitPing(t, late, b.addr())
	if err := n.Up(); err != nil {
		t.Fatal(err)
	}
	awaitPing(t, late, far.addr())
	awaitPing(t, far, a.addr())
	if err := pinging.Wait(within(t, patience)); err != nil {
		t.Error(err)
	}
	out, err := pinging.Stdout()
	if err != nil || !strings.Contains(out, " 0% packet loss") {
		t.Errorf("pods of one host lost packets while the daemon was away: %v\n%s", err, out)
	}
	awaitPods(t, n, func(p *api.Pods) bool { return p.Held == 3 && p.Leased })
	late.end(t)
}

// inAnotherSubnet restarts the daemon with another subnet: pods that live keep theirs and are reached, and new ones get the new one.
func inAnotherSubnet(t *testing.T, c *cluster.Cluster, old, far *madePod) {
	n := old.node
	if err := n.Stop(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	if err := n.Up("--subnet", "10.244.250.0/24"); err != nil {
		t.Fatal(err)
	}
	awaitPods(t, n, func(p *api.Pods) bool {
		return p.Leased && len(p.Subnets) == 1 && len(p.Former) > 0 && p.Former[0].Claimed && p.Former[0].Pods == 2
	})
	fresh := addPod(t, c, n, old.plugin, "pod-new")
	if !netip.MustParsePrefix("10.244.250.0/24").Contains(fresh.addr()) {
		t.Errorf("the new pod has %v", fresh.addr())
	}
	for _, pair := range [][2]*madePod{{old, far}, {far, old}, {fresh, far}, {far, fresh}, {fresh, old}, {old, fresh}} {
		awaitPing(t, pair[0], pair[1].addr())
	}
	if seen := far.sourceSeen(t, old.Host, far.addr().String()+":8080"); seen != old.addr() {
		t.Errorf("a pod of the former subnet is seen as %v, want %v", seen, old.addr())
	}
	fresh.end(t)
}

// downWithPods runs 'weft down' while pods live, and again when they have ended.
func downWithPods(t *testing.T, n *cluster.Node, list ...*madePod) {
	lease := filepath.Join(n.Dir(), "run", "cni.json")
	if _, err := n.Weft(within(t, patience), "down", "--config", n.Config()); err != nil {
		t.Fatal(err)
	}
	shell(t, n, "ip link show weftbr0 >/dev/null; nft list table bridge weft >/dev/null; test ! -e "+lease)
	gateway, _ := netip.AddrFromSlice(list[0].result.IPs[0].Gateway)
	awaitPing(t, list[0], gateway.Unmap()) // they reach the host, which forwards nothing now
	for _, p := range list {
		p.end(t)
	}
	if _, err := n.Weft(within(t, patience), "down", "--config", n.Config()); err != nil {
		t.Fatal(err)
	}
	shell(t, n, "! ip link show weftbr0 2>/dev/null && ! nft list table bridge weft 2>/dev/null")
}
