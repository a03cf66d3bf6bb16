package k8s

import (
	_ "embed"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

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
	pods   []*Pod // one for each node, in their order
}

func TestKubernetesItselfWithTheBridgePlugin(t *testing.T) {
	testKubernetes(t, bridge{})
}

// testKubernetes runs everything that a cluster asks of its network. The order is that of a cluster's life.
func testKubernetes(t *testing.T, p plugin) {
	b := &bed{Cluster: newCluster(t), plugin: p}
	if !t.Run("nodes become ready", b.testReady) || !t.Run("pods of a daemon set become ready", b.testRollout) {
		return
	}
	t.Run("pods reach each other", b.testPods)
	t.Run("service", b.testService)
	t.Run("node port", b.testNodePort)
	t.Run("node port with policy Local", b.testNodePortLocal)
	t.Run("host port", b.testHostPort)
	t.Run("no connection is lost when daemons restart one after the other", b.testRestart)
	t.Run("what is deleted frees its addresses", b.testDelete)
}

// newCluster makes a cluster of two nodes, or skips with the reason why there can be none.
func newCluster(t *testing.T) *Cluster {
	t.Helper()
	binaries, err := Available()
	if err != nil {
		t.Skip(err)
	}
	l := testLab(t)
	c, err := New(within(t, clusterWithin), l, Options{Binaries: binaries, Nodes: 2})
	if c != nil {
		t.Cleanup(func() { check(t, c.Close()) })
	}
	if errors.Is(err, ErrUnavailable) {
		t.Skip(err)
	}
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
	_, err := b.Kubectl(within(t, rolloutWithin), "rollout", "status", "daemonset/web", "--timeout", fmt.Sprint(rolloutWithin))
	if err != nil {
		t.Fatalf("%v\n%s", err, b.events(t))
	}
	b.pods, err = b.Pods(within(t, soon), "app=web")
	check(t, err)
	if len(b.pods) != len(b.Nodes) {
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
		places["pod of "+p.Node.Name()] = p
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
	download(t, place, addr)
	a := mustAsk(t, place, addr)
	if a.pod != to.Name {
		t.Errorf("%s answered, want %s", a.pod, to.Name)
	}
	if from, ok := place.(*Pod); ok && !slices.Contains(from.Addrs, a.source) {
		t.Errorf("the source is %s, want the pod's: one of %v", a.source, from.Addrs)
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
	for range 60 { // two pods, at random: one is missed once in 2^59 times
		a := mustAsk(t, place, addr)
		seen[a.pod] = true
		if from, ok := place.(*Pod); ok && a.pod != from.Name && !slices.Contains(from.Addrs, a.source) {
			t.Fatalf("the source is %s, want the pod's: one of %v", a.source, from.Addrs)
		}
		if len(seen) == len(b.pods) {
			return
		}
	}
	t.Errorf("only %v answered, want all of %d", seen, len(b.pods))
}

// nodeAddrs are the places where a port of the nodes is reached from outside.
func (b *bed) nodeAddrs(port uint16) map[netip.AddrPort]*Pod {
	addrs := map[netip.AddrPort]*Pod{}
	for _, p := range b.pods {
		for _, addr := range p.Node.Addrs() {
			addrs[netip.AddrPortFrom(addr, port)] = p
		}
	}
	return addrs
}

func (b *bed) testNodePort(t *testing.T) {
	for addr := range b.nodeAddrs(nodePortAny) {
		t.Run(addr.String(), func(t *testing.T) { b.testBalanced(t, b.Control, addr) })
	}
}

func (b *bed) testNodePortLocal(t *testing.T) { b.testOwnPort(t, nodePortLocal) }

func (b *bed) testHostPort(t *testing.T) { b.testOwnPort(t, hostPort) }

// testOwnPort shows that a port of each node leads to that node's own pod, which sees who asks.
func (b *bed) testOwnPort(t *testing.T, port uint16) {
	for addr, want := range b.nodeAddrs(port) {
		t.Run(addr.String(), func(t *testing.T) {
			for range 5 {
				a := mustAsk(t, b.Control, addr)
				if a.pod != want.Name || !slices.Contains(b.Control.Addrs(), a.source) {
					t.Fatalf("%s answered to %s, want %s to one of %v", a.pod, a.source, want.Name, b.Control.Addrs())
				}
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
	_, err := b.Kubectl(within(t, rolloutWithin), "delete", "daemonset/web", "--cascade=foreground", "--wait")
	check(t, err)
	for _, n := range b.Nodes {
		check(t, poll(within(t, soon), func() error {
			held, err := b.plugin.held(within(t, soon), n)
			if err == nil && len(held) > 0 {
				err = fmt.Errorf("taken on %s after all pods are gone: %v", n.Name(), held)
			}
			return err
		}))
	}
}
