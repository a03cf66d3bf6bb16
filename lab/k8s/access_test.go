package k8s

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weftnet/weft/cni-shim/lease"
	"github.com/weftnet/weft/lab/cri"
	"github.com/weftnet/weft/lab/labtest"
	"github.com/weftnet/weft/node/api"
)

// kubeletConfig is where kubeadm has the kubelet's kubeconfig: weft finds it by itself. accountConfig is of weft's service account.
const (
	kubeletConfig = "/etc/kubernetes/kubelet.conf"
	accountConfig = "/etc/kubernetes/weft.conf"
	accountToken  = "/etc/kubernetes/weft.token"
)

// shippedWith has the objects that are shipped with weft.
const shippedWith = "../../deploy/k3s/weft.yaml"

// shipped is the object of each of these kinds that is shipped with weft.
func shipped(t *testing.T, kinds ...string) string {
	t.Helper()
	raw, err := os.ReadFile(shippedWith)
	check(t, err)
	var found []string
	for object := range strings.SplitSeq(string(raw), "\n---\n") {
		if slices.ContainsFunc(kinds, func(kind string) bool { return strings.Contains(object, "\nkind: "+kind+"\n") }) {
			found = append(found, object)
		}
	}
	if len(found) != len(kinds) {
		t.Fatalf("%s has %d objects of the kinds %v", shippedWith, len(found), kinds)
	}
	return strings.Join(found, "\n---\n")
}

// giveAccess gives a node what weft asks the server of the API with, and returns the flags that name it: to the first one its
// kubelet's own credentials, to others those of a service account, which may read nothing until grant.
func giveAccess(t *testing.T, n *Node) (flags []string) {
	c, ctx := n.cluster, within(t, soon)
	if n == c.Nodes[0] {
		raw, err := os.ReadFile(c.pki.path(n.Name() + ".kubeconfig"))
		check(t, err)
		check(t, n.WriteFile(kubeletConfig, raw, 0o600))
		return nil
	}
	check(t, c.Apply(ctx, shipped(t, "ServiceAccount")))
	token, err := c.Kubectl(ctx, "--namespace", "kube-system", "create", "token", "weft")
	check(t, err)
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: lab, cluster: {server: %q, certificate-authority: %q}}]
users: [{name: weft, user: {tokenFile: %q}}]
contexts: [{name: lab, context: {cluster: lab, user: weft}}]
current-context: lab
`, c.server(), c.pki.path("ca.crt"), accountToken)
	check(t, n.WriteFile(accountToken, []byte(token), 0o600))
	check(t, n.WriteFile(accountConfig, []byte(text), 0o600))
	return []string{"--kubeconfig", accountConfig}
}

// grant gives the service account its rights, once the nodes that ask with it have been refused.
func (w *weft) grant(t *testing.T, c *Cluster) {
	t.Helper()
	for _, n := range c.Nodes[1:] {
		w.awaitStatus(t, n, func(s *api.Status) error {
			if k := s.Node.Kubernetes; k == nil || k.Kind != "forbidden" || len(s.Node.Subnets) > 0 {
				return fmt.Errorf("%s says %+v and has the subnets %v; want that it may not read its node", n.Name(), k, s.Node.Subnets)
			}
			return nil
		})
	}
	check(t, c.Apply(within(t, soon), shipped(t, "ClusterRole", "ClusterRoleBinding")))
}

// awaitSubnets waits until the daemon claims the prefixes that Kubernetes gave the node, and nothing else, and pods get addresses of them.
func (w *weft) awaitSubnets(t *testing.T, n *Node) {
	t.Helper()
	own, err := n.PodNetworks(within(t, soon))
	check(t, err)
	w.awaitStatus(t, n, func(s *api.Status) error {
		k := s.Node.Kubernetes
		if k == nil || k.Reason != "" || !slices.Equal(k.PodCIDRs, own) || !slices.Equal(s.Node.Subnets, own) {
			return fmt.Errorf("%s says %+v and has the subnets %v, want %v", n.Name(), k, s.Node.Subnets, own)
		}
		l, err := lease.Read(n.Path(filepath.Dir(weftSocket)))
		if err == nil && !slices.Equal(l.Subnets, own) {
			err = fmt.Errorf("the lease of %s has the subnets %v, want %v", n.Name(), l.Subnets, own)
		}
		return err
	})
}

// awaitStatus waits until a daemon's status is as it should be.
func (w *weft) awaitStatus(t *testing.T, n *Node, wrong func(*api.Status) error) {
	t.Helper()
	check(t, cri.Poll(within(t, soon), func() error {
		if p := w.daemons[n]; cri.Ended(p) {
			return cri.Hopeless(fmt.Errorf("weft has ended: %s", cri.LastLines(p, 3)))
		}
		s, err := api.NewClient(n.Path(weftSocket)).Status(within(t, soon))
		if err != nil {
			return err
		}
		return wrong(s)
	}))
}

// TestANodeThatIsMadeAnewInKubernetesClaimsItsNewSubnets deletes a node's object and makes it again, as somebody does who renews a node.
func TestANodeThatIsMadeAnewInKubernetesClaimsItsNewSubnets(t *testing.T) {
	w := newWeft(new(shim))
	b := &bed{Cluster: newCluster(t, "iptables"), plugin: w}
	w.install(t, b.Cluster)
	n := b.Nodes[1]
	former, err := n.PodNetworks(within(t, soon))
	check(t, err)
	_, err = b.Kubectl(within(t, soon), "delete", "node", n.Name())
	check(t, err)
	w.awaitNoNode(t, n, former)

	check(t, b.Apply(within(t, soon), fmt.Sprintf("{apiVersion: v1, kind: Node, metadata: {name: %s}}", n.Name())))
	own, err := n.PodNetworks(within(t, soon))
	check(t, err)
	if slices.Equal(own, former) {
		t.Fatalf("Kubernetes gave the node %v again", own)
	}
	askAgain(t, n)
	w.awaitSubnets(t, n)
	w.awaitPeers(t, n, len(b.Nodes)-1)
	check(t, n.AwaitReady(within(t, rolloutWithin)))
	late := b.runLatePod(t, n)
	for i, addr := range late.Addrs {
		if !own[i].Contains(addr) {
			t.Errorf("the pod has %v, want one of each of %v", late.Addrs, own)
		}
		if _, err := labtest.Fetch(within(t, soon), b.Nodes[0], netip.AddrPortFrom(addr, podPort), "/busybox"); err != nil {
			t.Error(err)
		}
	}
}

// awaitNoNode waits until a daemon says that Kubernetes has no such node, and goes on with the subnets that it had.
func (w *weft) awaitNoNode(t *testing.T, n *Node, former []netip.Prefix) {
	t.Helper()
	askAgain(t, n)
	w.awaitStatus(t, n, func(s *api.Status) error {
		if k := s.Node.Kubernetes; k == nil || k.Kind != "no_node" || !slices.Equal(s.Node.Subnets, former) {
			return fmt.Errorf("%s says %+v and has the subnets %v; want that there is no such node, and %v", n.Name(), k, s.Node.Subnets, former)
		}
		return nil
	})
}

// askAgain has a node's daemon ask for its subnets now.
func askAgain(t *testing.T, n *Node) {
	t.Helper()
	_, err := n.Run(within(t, soon), weftProgram, "reload")
	check(t, err)
}
