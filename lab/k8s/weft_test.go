package k8s

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/labtest"
	"github.com/weftnet/weft/node/api"
)

// weft is a daemon on every node, that owns the prefixes which Kubernetes gave the node, and a plugin for pods.
type weft struct {
	podPlugin
	token   string
	daemons map[*Node]*lab.Process
}

// weftProgram is where the nodes have it, and weftSocket where its daemon listens.
const (
	weftProgram = "/usr/bin/weft"
	weftSocket  = "/run/weft/weft.sock"
)

func (w *weft) install(t *testing.T, c *Cluster) {
	raw, err := os.ReadFile(labtest.Weft(t))
	check(t, err)
	for _, n := range c.Nodes {
		check(t, n.WriteFile(weftProgram, raw, 0o755))
		w.setUp(t, n)
		w.launch(t, n)
	}
	w.grant(t, c)
	for _, n := range c.Nodes {
		w.awaitSubnets(t, n)
		w.awaitPeers(t, n, len(c.Nodes)-1)
		own, err := n.PodNetworks(within(t, soon))
		check(t, err)
		w.plug(t, n, own)
	}
}

// setUp makes the node's configuration as an operator would.
func (w *weft) setUp(t *testing.T, n *Node) {
	ctx := within(t, soon)
	flags := append([]string{"--subnet", "k8s"}, giveAccess(t, n)...)
	var err error
	if w.token == "" {
		w.token, err = n.Run(ctx, append([]string{weftProgram, "init", "--network", podNetworks()}, flags...)...)
	} else {
		args := append([]string{weftProgram, "join"}, flags...)
		_, err = n.RunCommand(ctx, lab.Command{Args: args, Stdin: strings.NewReader(w.token)})
	}
	check(t, err)
}

// launch starts the daemon.
func (w *weft) launch(t *testing.T, n *Node) {
	p, err := n.Start(weftProgram, "up")
	check(t, err)
	w.daemons[n] = p
}

// awaitPeers waits until the daemon has a path to as many peers.
func (w *weft) awaitPeers(t *testing.T, n *Node, peers int) {
	t.Helper()
	w.awaitStatus(t, n, func(s *api.Status) error {
		up := 0
		for _, p := range s.Peers {
			if p.State == api.StateUp && len(p.Addrs) > 0 {
				up++
			}
		}
		if up != peers {
			return fmt.Errorf("%d peers of %s are up, want %d", up, n.Name(), peers)
		}
		return nil
	})
}

func (w *weft) stop(t *testing.T, n *Node) {
	t.Helper()
	check(t, n.Terminate(within(t, soon), w.daemons[n]))
}

func (w *weft) start(t *testing.T, n *Node) {
	t.Helper()
	w.launch(t, n)
	w.awaitPeers(t, n, len(n.cluster.Nodes)-1)
}

func TestKubernetesOverWeft(t *testing.T) {
	for _, mode := range []string{"iptables", "nftables"} {
		t.Run("kube-proxy by "+mode, func(t *testing.T) {
			testKubernetes(t, newWeft(new(shim)), mode, part{"network policies", (*bed).testPolicies})
		})
	}
}

// TestKubernetesOverWeftWithTheBridgePlugin shows weft below a plugin that knows nothing of it.
func TestKubernetesOverWeftWithTheBridgePlugin(t *testing.T) {
	testKubernetes(t, newWeft(bridge{}), "iptables")
}

func newWeft(p podPlugin) *weft { return &weft{podPlugin: p, daemons: map[*Node]*lab.Process{}} }

// testRestart restarts the daemons one after the other.
func (b *bed) testRestart(t *testing.T) {
	p, ok := b.plugin.(restarter)
	if !ok {
		t.Skip("this plugin has no daemon")
	}
	b.whileDataGo(t, func() {
		for _, n := range b.Nodes {
			p.stop(t, n)
			p.start(t, n)
		}
	})
}

// whileDataGo shows that no connection is lost by what do does: data go between all pods meanwhile, in both directions.
func (b *bed) whileDataGo(t *testing.T, do func()) {
	var streams []*labtest.Sequence
	for _, from := range b.pods {
		for _, to := range b.pods {
			for _, addr := range to.Addrs {
				if from != to {
					streams = append(streams, labtest.StartSequence(t, from, to, addr))
				}
			}
		}
	}
	do()
	for _, s := range streams {
		if err := s.End(within(t, soon)); err != nil {
			t.Error(err)
		}
	}
}

// latePod is a pod of one node, that answers at once.
const latePod = `
apiVersion: v1
kind: Pod
metadata: {name: late, labels: {app: late}}
spec:
  nodeName: %s
  terminationGracePeriodSeconds: 1
  containers:
    - name: late
      image: localhost/weft/busybox:1
      imagePullPolicy: Never
      command: [httpd, -f, -p, "8080", -h, /bin]
      readinessProbe: {httpGet: {port: 8080, path: /busybox}, periodSeconds: 1}
`

// runLatePod starts the pod on a node, and waits until it answers there.
func (b *bed) runLatePod(t *testing.T, n *Node) *Pod {
	t.Helper()
	check(t, b.Apply(within(t, soon), fmt.Sprintf(latePod, n.Name())))
	_, err := b.Kubectl(within(t, rolloutWithin), "wait", "--for=condition=Ready", "pod/late", "--timeout", fmt.Sprint(rolloutWithin))
	if err != nil {
		t.Fatalf("%v\n%s", err, b.events(t))
	}
	pods, err := b.Pods(within(t, soon), "app=late")
	check(t, err)
	return pods[0]
}

// testAbsent starts a pod on a node whose daemon does not run. Pods of other nodes reach it when the daemon is back.
func (b *bed) testAbsent(t *testing.T) {
	p, ok := b.plugin.(restarter)
	if !ok {
		t.Skip("this plugin has no daemon")
	}
	n := b.Nodes[0]
	p.stop(t, n)
	late := b.runLatePod(t, n)
	p.start(t, n)
	for _, from := range b.pods {
		for _, addr := range late.Addrs {
			if _, err := labtest.Fetch(within(t, soon), from, netip.AddrPortFrom(addr, podPort), "/busybox"); err != nil {
				t.Errorf("%s of %s: %v", from.Name, from.Node.Name(), err)
			}
		}
	}
	_, err := b.Kubectl(within(t, rolloutWithin), "delete", "pod", "late", "--wait")
	check(t, err)
}
