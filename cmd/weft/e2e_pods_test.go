package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/weftnet/weft/lab/cluster"
	"github.com/weftnet/weft/node/api"
)

// addrs are the pod's, of both families.
func (p *madePod) addrs() (list []netip.Addr) {
	for _, ip := range p.result.IPs {
		a, _ := netip.AddrFromSlice(ip.Address.IP)
		list = append(list, a.Unmap())
	}
	return list
}

// awaitReach waits until from reaches a pod at all of its addresses.
func awaitReach(t *testing.T, from pinger, to *madePod) {
	t.Helper()
	for _, a := range to.addrs() {
		awaitPing(t, from, a)
	}
}

// former reports whether status says that so many pods live in each of two former subnets, which the node claims or not.
func former(pods int, claimed bool) func(*api.Pods) bool {
	return func(p *api.Pods) bool {
		return len(p.Former) == 2 && !slices.ContainsFunc(p.Former, func(f api.FormerSubnet) bool { return f.Pods != pods || f.Claimed != claimed })
	}
}

func TestAnotherPodCIDRIsForNewPodsAndAnotherNodeMayHaveTheFormerOne(t *testing.T) {
	t.Parallel()
	plugin := buildPlugin(t)
	c := newCluster(t, 0)
	a := addNode(t, c, "--subnet", "10.244.1.0/24,fd10:244:0:1::/64")
	server := startAPIServer(t, a.Host)
	server.podCIDRs.Store(&[]string{"10.244.42.0/24", "fd10:244:0:42::/64"})
	b := addNode(t, c, "--subnet", "k8s", "--kubeconfig", server.kubeconfig(t), "--k8s-node", apiNode)
	startAll(t, c)
	awaitPods(t, a, leased)
	awaitPods(t, b, leased)
	far, old := addPod(t, c, a, plugin, "pod-far"), addPod(t, c, b, plugin, "pod-old")

	server.podCIDRs.Store(&[]string{"10.244.43.0/24", "fd10:244:0:43::/64"})
	reload(t, b) // which asks at once
	awaitPods(t, b, former(1, true))
	awaitAll(t, c)
	fresh := addPod(t, c, b, plugin, "pod-fresh")
	for i, p := range prefixesOf("10.244.43.0/24", "fd10:244:0:43::/64") {
		if !p.Contains(fresh.addrs()[i]) {
			t.Errorf("the new pod has %v, not one of %v", fresh.addrs()[i], p)
		}
	}
	for _, pair := range [][2]*madePod{{old, far}, {far, old}, {fresh, far}, {far, fresh}, {fresh, old}, {old, fresh}} {
		awaitReach(t, pair[0], pair[1])
	}
	saysFormer(t, b)
	t.Run("another node has the former one", func(t *testing.T) { formerOfAnother(t, c, plugin, old, fresh) })
}

func prefixesOf(texts ...string) (list []netip.Prefix) {
	for _, text := range texts {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
}

// saysFormer wants the log to have it once, and the metric to count the pod.
func saysFormer(t *testing.T, n *cluster.Node) {
	t.Helper()
	if got := strings.Count(daemonLog(t, n), "msg=node.subnet.former "); got != 1 {
		t.Errorf("the log says it %d times", got)
	}
	if got := sampleOf(t, scraped(t, n), "weft_pods_former_subnet", "claimed", "true"); got != 2 {
		t.Errorf("the metric has %v, want its pod for each of the two subnets", got)
	}
}

// formerOfAnother starts a node with the former subnets of old's, in which old lives on: fresh, on the same host, reaches both.
func formerOfAnother(t *testing.T, c *cluster.Cluster, plugin string, old, fresh *madePod) {
	other := addNode(t, c, "--subnet", "10.244.42.0/24,fd10:244:0:42::/64")
	if err := other.Up(); err != nil {
		t.Fatal(err)
	}
	awaitPods(t, other, leased)
	awaitPods(t, old.node, former(1, false))
	twin, second := addPod(t, c, other, plugin, "pod-twin"), addPod(t, c, other, plugin, "pod-second")
	if !slices.Equal(twin.addrs(), old.addrs()) {
		t.Fatalf("the first pod there has %v, not %v", twin.addrs(), old.addrs())
	}
	awaitReach(t, fresh, second)
	awaitReach(t, second, fresh)
	awaitReach(t, old.node, second)
	awaitReach(t, fresh, old)
	awaitReach(t, old, fresh)
	if seen := old.sourceSeen(t, fresh.Host, fmt.Sprint(old.addr(), ":8080")); seen != fresh.addr() {
		t.Errorf("the old pod sees %v, want %v", seen, fresh.addr())
	}
	old.end(t)
	awaitPods(t, old.node, func(p *api.Pods) bool { return len(p.Former) == 0 })
	awaitReach(t, fresh, twin)
	shell(t, old.node, "! ip route show proto 157 dev weftbr0 | grep . && ! ip -6 route show proto 157 dev weftbr0 | grep .")
}
