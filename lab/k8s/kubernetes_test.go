package k8s

import (
	_ "embed"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/lab/cri"
	"github.com/weftnet/weft/lab/labtest"
)

// Bounds of steps that are not of the network: programs that start, while the machine does other things too.
const (
	clusterWithin = 4 * time.Minute
	rolloutWithin = 2 * time.Minute
)

// The ports of testdata/pods.yaml.
const (
	podPort       = 8080
	servicePort   = 80
	hostPort      = 18080
	nodePortAny   = 30080 // externalTrafficPolicy: Cluster
	nodePortLocal = 30081 // externalTrafficPolicy: Local
)

//go:embed testdata/pods.yaml
var podsManifest string

// bed is a cluster with the pods of testdata/pods.yaml.
type bed struct {
	*Cluster
	plugin plugin
	pods   []*Pod // two on every node, in the order of the nodes
}

func TestKubernetesItselfWithTheBridgePlugin(t *testing.T) {
	testKubernetes(t, bridge{}, "iptables")
}

// part is a part of a cluster's life.
type part struct {
	name string
	test func(*bed, *testing.T)
}

// testKubernetes runs everything that a cluster asks of its network, and more before its pods are deleted. The order is that of a cluster's
// life.
func testKubernetes(t *testing.T, p plugin, proxyMode string, more ...part) {
	b := &bed{Cluster: newCluster(t, proxyMode), plugin: p}
	if !t.Run("nodes become ready", b.testReady) || !t.Run("pods of a daemon set become ready", b.testRollout) {
		return
	}
	t.Run("pods reach each other", b.testPods)
	t.Run("service", b.testService)
	t.Run("node port", b.testNodePort)
	t.Run("node port with policy Local", b.testNodePortLocal)
	t.Run("host port", b.testHostPort)
	t.Run("server of the API", b.testServer)
	t.Run("no connection is lost when daemons restart one after the other", b.testRestart)
	t.Run("a pod starts while the daemon does not run", b.testAbsent)
	for _, part := range more {
		t.Run(part.name, func(t *testing.T) { part.test(b, t) })
	}
	t.Run("what is deleted frees its addresses", b.testDelete)
}

// newCluster makes a cluster of two nodes, or skips where nobody asked for one.
func newCluster(t *testing.T, proxyMode string) *Cluster {
	t.Helper()
	binaries, err := Available()
	if os.Getenv(Variable) == "" {
		t.Skip(err)
	}
	check(t, err)
	c, err := New(within(t, clusterWithin), testLab(t), Options{Binaries: binaries, Nodes: 2, ProxyMode: proxyMode})
	t.Cleanup(func() { check(t, c.Close()) })
	check(t, err)
	return c
}

func (b *bed) testReady(t *testing.T) {
	for _, n := range b.Nodes {
		why, err := n.NotReady(within(t, soon))
		if err != nil || why == "" {
			t.Errorf("%s is ready before it has a plugin: %v", n.Name(), err)
		}
	}
	b.plugin.install(t, b.Cluster)
	for _, n := range b.Nodes {
		check(t, n.AwaitReady(within(t, rolloutWithin)))
	}
}

func (b *bed) testRollout(t *testing.T) {
	check(t, b.Apply(within(t, soon), podsManifest))
	for _, set := range []string{"daemonset/web", "daemonset/second"} {
		_, err := b.Kubectl(within(t, rolloutWithin), "rollout", "status", set, "--timeout", fmt.Sprint(rolloutWithin))
		if err != nil {
			t.Fatalf("%v\n%s", err, b.events(t))
		}
	}
	var err error
	b.pods, err = b.Pods(within(t, soon), "app=web")
	check(t, err)
	if len(b.pods) != 2*len(b.Nodes) {
		t.Fatalf("%d pods on %d nodes", len(b.pods), len(b.Nodes))
	}
	for _, p := range b.pods {
		own, err := p.Node.PodNetworks(within(t, soon))
		check(t, err)
		for i, prefix := range own {
			if len(p.Addrs) != len(own) || !prefix.Contains(p.Addrs[i]) {
				t.Errorf("pod %s has %v, want one of each of %v", p.Name, p.Addrs, own)
			}
		}
	}
}

// events are what Kubernetes says of its objects, for a failure.
func (b *bed) events(t *testing.T) string {
	text, err := b.Kubectl(within(t, soon), "get", "events", "--field-selector", "type!=Normal", "--no-headers", "-o",
		"custom-columns=:involvedObject.name,:reason,:message")
	return fmt.Sprint(text, err)
}

// everywhere are all places from which pods are reached: the pods themselves and their nodes.
func (b *bed) everywhere() map[string]labtest.Place {
	places := map[string]labtest.Place{}
	for _, p := range b.pods {
		places[p.Name+" of "+p.Node.Name()] = p
	}
	for _, n := range b.Nodes {
		places[n.Name()] = n
	}
	return places
}

func (b *bed) testPods(t *testing.T) {
	for name, place := range b.everywhere() {
		for _, to := range b.pods {
			for _, addr := range to.Addrs {
				t.Run(fmt.Sprintf("%s to %s", name, addr), func(t *testing.T) {
					b.testPath(t, place, to, netip.AddrPortFrom(addr, podPort))
				})
			}
		}
	}
}

// testPath shows that a pod is reached, by its data, and that the source of packets from another pod is that pod's.
func (b *bed) testPath(t *testing.T, place labtest.Place, to *Pod, addr netip.AddrPort) {
	if err := labtest.Download(within(t, soon), place, addr); err != nil {
		t.Error(err)
		return
	}
	a := mustAsk(t, place, addr)
	if a.Pod != to.Name {
		t.Errorf("%s answered, want %s", a.Pod, to.Name)
	}
	if from, ok := place.(*Pod); ok && !slices.Contains(from.Addrs, a.Source) {
		t.Errorf("the source is %s, want the pod's: one of %v", a.Source, from.Addrs)
	}
}

// serviceObject is what of a Service object is read here.
type serviceObject struct {
	Spec struct {
		ClusterIPs []netip.Addr `json:"clusterIPs"`
	} `json:"spec"`
}

func (b *bed) testService(t *testing.T) {
	var object serviceObject
	check(t, b.Get(within(t, soon), &object, "service", "web"))
	if len(object.Spec.ClusterIPs) != 2 {
		t.Fatalf("the service has %v, want an address of each family", object.Spec.ClusterIPs)
	}
	for name, place := range b.everywhere() {
		for _, addr := range object.Spec.ClusterIPs {
			t.Run(fmt.Sprintf("%s to %s", name, addr), func(t *testing.T) {
				b.testBalanced(t, place, netip.AddrPortFrom(addr, servicePort))
			})
		}
	}
}

// testBalanced shows that all pods answer at an address, and that one of them sees another one's own address as the source. A pod
// that reaches itself through a service sees its node's.
func (b *bed) testBalanced(t *testing.T, place labtest.Place, addr netip.AddrPort) {
	seen := map[string]bool{}
	ctx := within(t, 2*labtest.RequestWithin)
	for range 80 { // four pods, at random: one is missed once in 2 000 million times
		a, err := labtest.Ask(ctx, place, addr)
		if err != nil {
			t.Fatalf("%v; %v answered", err, seen)
		}
		seen[a.Pod] = true
		if from, ok := place.(*Pod); ok && a.Pod != from.Name && !slices.Contains(from.Addrs, a.Source) {
			t.Fatalf("the source is %s, want the pod's: one of %v", a.Source, from.Addrs)
		}
		if len(seen) == len(b.pods) {
			return
		}
	}
	t.Errorf("only %v answered, want all of %d", seen, len(b.pods))
}

// onNodes calls fn as a test for each address of each node.
func (b *bed) onNodes(t *testing.T, port uint16, fn func(*testing.T, *Node, netip.AddrPort)) {
	for _, n := range b.Nodes {
		for _, addr := range n.Addrs() {
			to := netip.AddrPortFrom(addr, port)
			t.Run(to.String(), func(t *testing.T) { fn(t, n, to) })
		}
	}
}

func (b *bed) testNodePort(t *testing.T) {
	b.onNodes(t, nodePortAny, func(t *testing.T, _ *Node, to netip.AddrPort) { b.testBalanced(t, b.Control, to) })
}

// testNodePortLocal shows that only pods of the node that is asked answer, and that they see who asks.
func (b *bed) testNodePortLocal(t *testing.T) {
	b.onNodes(t, nodePortLocal, func(t *testing.T, n *Node, to netip.AddrPort) {
		for range 20 {
			b.testSource(t, to, func(p *Pod) bool { return p.Node == n })
		}
	})
}

// testHostPort shows that the pod of the node that is asked answers which has the port, and that it sees who asks.
func (b *bed) testHostPort(t *testing.T) {
	b.onNodes(t, hostPort, func(t *testing.T, n *Node, to netip.AddrPort) {
		b.testSource(t, to, func(p *Pod) bool { return p.Node == n && strings.HasPrefix(p.Name, "web-") })
	})
}

// testSource asks from outside: one of the pods that may answers, and sees the source as it is.
func (b *bed) testSource(t *testing.T, to netip.AddrPort, may func(*Pod) bool) {
	t.Helper()
	a := mustAsk(t, b.Control, to)
	if !slices.ContainsFunc(b.pods, func(p *Pod) bool { return p.Name == a.Pod && may(p) }) {
		t.Errorf("%s answered", a.Pod)
	}
	if !slices.Contains(b.Control.Addrs(), a.Source) {
		t.Errorf("%s sees the source %s, want one of %v", a.Pod, a.Source, b.Control.Addrs())
	}
}

// testServer shows that a pod reaches what is no pod: the server of the API, by its service, outside of all nodes.
func (b *bed) testServer(t *testing.T) {
	for _, p := range b.pods {
		t.Run(p.Name+" of "+p.Node.Name(), func(t *testing.T) {
			body, err := b.askServer(within(t, labtest.RequestWithin), p)
			if err != nil || !strings.Contains(string(body), "gitVersion") {
				t.Errorf("the server says %q: %v", body, err)
			}
		})
	}
}

func (b *bed) testDelete(t *testing.T) {
	for _, p := range b.pods {
		held, err := b.plugin.held(within(t, soon), p.Node)
		check(t, err)
		for _, addr := range p.Addrs {
			if !slices.Contains(held, addr) {
				t.Errorf("%s of pod %s is not taken on %s: %v", addr, p.Name, p.Node.Name(), held)
			}
		}
	}
	_, err := b.Kubectl(within(t, rolloutWithin), "delete", "daemonset", "--all", "--cascade=foreground", "--wait")
	check(t, err)
	for _, n := range b.Nodes {
		check(t, cri.Poll(within(t, soon), func() error {
			held, err := b.plugin.held(within(t, soon), n)
			if err == nil && len(held) > 0 {
				err = fmt.Errorf("taken on %s after all pods are gone: %v", n.Name(), held)
			}
			return err
		}))
	}
}
