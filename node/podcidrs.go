package node

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"slices"

	"github.com/weftnet/weft/mesh"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/node/kubernetes"
)

// With 'subnet: k8s' the node claims what Kubernetes gave it. The configuration in force then has the podCIDRs in Subnet.Prefixes: none
// until they are known, and after that the latest that could be had. A follower asks the API server for them; the state directory
// keeps them for a start while the server is away.

// kubernetesNode is the name of this host's Node in Kubernetes with cfg, and where it is from.
func kubernetesNode(cfg *config.Config) (name, from string) {
	return kubernetes.NodeName(cfg.K8sNode, cfg.Name, os.Getenv)
}

// checkKubernetes refuses subnet k8s where no Node can have the name that would be asked for.
func checkKubernetes(cfg *config.Config) error {
	if !cfg.Subnet.K8s {
		return nil
	}
	name, from := kubernetesNode(cfg)
	if err := kubernetes.CheckNodeName(name); err != nil {
		return cfg.Placed(config.KeyErrorf("k8s_node", "%w; it is from %s: set k8s_node", err, from))
	}
	return nil
}

func (n *Node) newFollower() *kubernetes.Follower {
	return kubernetes.NewFollower(kubernetes.FollowerConfig{
		Want: n.wantPodCIDRs, Ask: n.askKubernetes, Take: n.takePodCIDRs, Told: n.notePodCIDRs, Random: n.platform.Random,
	})
}

func (n *Node) wantPodCIDRs() (q kubernetes.Query, known []netip.Prefix, wanted bool) {
	cfg := n.config()
	q.Kubeconfig = cfg.Kubeconfig
	q.Node, q.From = kubernetesNode(cfg)
	return q, cfg.Subnet.Prefixes, cfg.Subnet.K8s
}

func (n *Node) askKubernetes(ctx context.Context, q kubernetes.Query) (kubernetes.Answer, error) {
	if n.platform.AskKubernetes == nil {
		return kubernetes.Answer{}, &kubernetes.Error{Kind: kubernetes.NotHere, Text: "this platform asks no API server"}
	}
	return n.platform.AskKubernetes(ctx, q)
}

// recallPodCIDRs gives cfg, where it has subnet k8s, the podCIDRs to go on with until the server was asked: those in force, if they are
// of the same Node, else those that were known last. cfg is the caller's own. An error says why it has none of them.
func (n *Node) recallPodCIDRs(cfg *config.Config) error {
	if !cfg.Subnet.K8s {
		return nil
	}
	node, _ := kubernetesNode(cfg)
	list, err := n.knownPodCIDRs(cfg.StateDir, node)
	if err != nil || len(list) == 0 {
		return err
	}
	if err := n.refusePodCIDRs(cfg, list); err != nil {
		return err
	}
	cfg.Subnet.Prefixes = list
	return nil
}

func (n *Node) knownPodCIDRs(dir, node string) ([]netip.Prefix, error) {
	now := n.config()
	if of, _ := kubernetesNode(now); now.Subnet.K8s && of == node && len(now.Subnet.Prefixes) > 0 {
		return now.Subnet.Prefixes, nil
	}
	return kubernetes.Recall(dir, node)
}

// startFromKnown gives a node that starts the podCIDRs that it had last.
func (n *Node) startFromKnown(cfg *config.Config) {
	node, _ := kubernetesNode(cfg)
	switch err := n.recallPodCIDRs(cfg); {
	case err != nil:
		n.log.Warn("node.podcidrs.unusable", "kubernetes_node", node, "error", err)
	case cfg.Subnet.K8s && len(cfg.Subnet.Prefixes) > 0:
		n.log.Info("node.podcidrs.recalled", "kubernetes_node", node, "podcidrs", config.Joined(cfg.Subnet.Prefixes))
	}
}

// refusePodCIDRs says why a node with cfg cannot have these podCIDRs, as far as the configuration and its certificate go; nil: it can.
func (n *Node) refusePodCIDRs(cfg *config.Config, list []netip.Prefix) error {
	next, err := cfg.WithPodCIDRs(list)
	if err != nil {
		return err
	}
	if own := n.admission.Own(); own != nil {
		if why := refuseHoldings(own, next); why != "" {
			return cfg.Placed(config.KeyErrorf("certificate", "%s", why))
		}
	}
	return nil
}

// takePodCIDRs brings what the server answered into force, as a reload of 'subnet' would, and stores it.
func (n *Node) takePodCIDRs(q kubernetes.Query, a kubernetes.Answer) error {
	n.reloads.mu.Lock()
	defer n.reloads.mu.Unlock()
	if wanted, _, any := n.wantPodCIDRs(); !any || wanted != q {
		return nil // a reload came between
	}
	now := n.config()
	if !slices.Equal(now.Subnet.Prefixes, a.PodCIDRs) {
		if err := n.bringPodCIDRs(now, a.PodCIDRs); err != nil {
			return &kubernetes.Error{Kind: kubernetes.NotUsable, Text: err.Error()}
		}
		n.log.Info("node.podcidrs.taken", "kubernetes_node", q.Node, "server", a.Server,
			"podcidrs", config.Joined(a.PodCIDRs), "before", config.Joined(now.Subnet.Prefixes))
	}
	n.storePodCIDRs(q.Node, a)
	return nil
}

func (n *Node) bringPodCIDRs(now *config.Config, list []netip.Prefix) error {
	if err := n.refusePodCIDRs(now, list); err != nil {
		return err
	}
	if err := n.platform.Kernel.CheckNetwork(now.Network, now.Device, list, now.Routes); err != nil {
		return asConfigError(err)
	}
	for _, p := range list {
		if why := n.forbidden(p, n.identity.Fingerprint()); why != "" {
			return fmt.Errorf("podCIDR %s: %s", p, why)
		}
	}
	next := *now
	next.Subnet.Prefixes = list
	return n.apply(&next)
}

func (n *Node) storePodCIDRs(node string, a kubernetes.Answer) {
	reason := ""
	err := kubernetes.Store(n.config().StateDir, node, a)
	if err != nil {
		reason = err.Error()
	}
	if n.state.problem("podcidrs_file", reason) && err != nil {
		n.log.Warn("node.podcidrs.unwritable", "error", err)
	}
}

// notePodCIDRs shows what keeps the node from knowing its podCIDRs as long as that lasts, and logs it once: again when it is of another
// kind. The follower's goroutine calls it.
func (n *Node) notePodCIDRs(r kubernetes.Report) {
	defer n.changed() // the lease's reason
	if r.Err == nil {
		if n.state.problem("kubernetes", "") {
			n.log.Info("node.podcidrs.known", "kubernetes_node", r.Query.Node, "server", r.Answer.Server)
		}
		n.podCIDRsSaid = ""
		return
	}
	n.state.problem("kubernetes", n.podCIDRsUnknown(r))
	if kind := kubernetes.KindOf(r.Err); kind != n.podCIDRsSaid {
		n.podCIDRsSaid = kind
		n.log.Warn("node.podcidrs.unknown", "kubernetes_node", r.Query.Node, "server", r.Answer.Server,
			"kept", config.Joined(n.config().Subnet.Prefixes), "reason", r.Err)
	}
}

// podCIDRsUnknown says what the node waits for, or what it goes on with meanwhile.
func (n *Node) podCIDRsUnknown(r kubernetes.Report) string {
	what := "spec.podCIDRs of node " + r.Query.Node
	if r.Answer.Server != "" {
		what += " at " + r.Answer.Server
	}
	if kept := n.config().Subnet.Prefixes; len(kept) > 0 {
		return fmt.Sprintf("%s: %v; it goes on with %s, which it had before", what, r.Err, config.Joined(kept))
	}
	return fmt.Sprintf("waits for %s: %v", what, r.Err)
}

// subnetNote says why the node has no subnet yet, or not the one that it should have; "": it has.
func (n *Node) subnetNote(s mesh.SelfState) string {
	cfg := n.config()
	if !cfg.Subnet.K8s || len(cfg.Subnet.Prefixes) > 0 {
		return selfNote(s)
	}
	r := n.kubernetes.Report()
	if r.Err == nil {
		node, _ := kubernetesNode(cfg)
		return fmt.Sprintf("waits for spec.podCIDRs of node %s: the API server is being asked", node)
	}
	return fmt.Sprintf("%s (since %s)", n.podCIDRsUnknown(r), utc(r.Since))
}

// kubernetesReport is what status says of it; nil: the subnet is not k8s.
func (n *Node) kubernetesReport() *api.Kubernetes {
	cfg := n.config()
	if !cfg.Subnet.K8s {
		return nil
	}
	f := n.kubernetes.Report()
	r := &api.Kubernetes{
		Server: f.Answer.Server, Credentials: f.Answer.Origin, PodCIDRs: some(f.Answer.PodCIDRs), InForce: some(cfg.Subnet.Prefixes),
		Answered: shown(f.Answered),
	}
	r.Node, r.NodeFrom = kubernetesNode(cfg)
	if f.Err != nil {
		r.Reason, r.Kind, r.Since = f.Err.Error(), string(kubernetes.KindOf(f.Err)), shown(f.Since)
	}
	return r
}
