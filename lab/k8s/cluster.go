package k8s

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/cri"
)

// The prefixes of a cluster: those of pods, of which every node gets a /24 and a /64, and those of services.
const (
	PodNetwork4     = "10.244.0.0/16"
	PodNetwork6     = "fd10:244::/48"
	serviceNetworks = "10.96.0.0/16,fd10:96::/108"
	serviceAPI      = "10.96.0.1" // of the server itself: the first of them
)

// Options say what kind of cluster to make.
type Options struct {
	Binaries  Binaries
	Nodes     int    // how many; named vm-1, vm-2 and so on
	ProxyMode string // of kube-proxy: iptables (default) or nftables
}

// Cluster is a Kubernetes on the hosts of a lab.
type Cluster struct {
	Control *cri.Machine // of etcd and the control plane; on the underlay as the nodes are, and none of them
	Nodes   []*Node

	lab     *lab.Lab
	options Options
	pki     *authority
	admin   string // path of the administrator's kubeconfig
}

// New makes a cluster on a lab: the nodes have registered, and wait for a network plugin. Close it before the lab, also after an
// error, which leaves what there is to look at.
func New(ctx context.Context, l *lab.Lab, o Options) (*Cluster, error) {
	if o.ProxyMode == "" {
		o.ProxyMode = "iptables"
	}
	c := &Cluster{lab: l, options: o}
	if err := errors.Join(os.MkdirAll(c.file(""), 0o755), cri.WriteImage(c.file("image.tar"))); err != nil {
		return c, err
	}
	if err := c.startControl(ctx); err != nil {
		return c, err
	}
	for range o.Nodes {
		if err := c.addNode(ctx); err != nil {
			return c, err
		}
	}
	return c, nil
}

// file is a file of the cluster, which all its machines see by this path.
func (c *Cluster) file(name string) string { return filepath.Join(c.lab.Dir(), "k8s", name) }

// Kubectl runs kubectl as the cluster's administrator and returns what it prints.
func (c *Cluster) Kubectl(ctx context.Context, args ...string) (string, error) {
	return c.kubectl(ctx, "", args)
}

func (c *Cluster) kubectl(ctx context.Context, stdin string, args []string) (string, error) {
	args = append([]string{c.options.Binaries.path("kubectl"), "--kubeconfig", c.admin, "--request-timeout", "20s"}, args...)
	return c.Control.RunCommand(ctx, lab.Command{Args: args, Stdin: strings.NewReader(stdin)})
}

// Apply makes what a manifest describes.
func (c *Cluster) Apply(ctx context.Context, manifest string) error {
	_, err := c.kubectl(ctx, manifest, []string{"apply", "-f", "-"})
	return err
}

// Get reads an object, or a list of them, into a value of the caller's. args are those of 'kubectl get'.
func (c *Cluster) Get(ctx context.Context, into any, args ...string) error {
	text, err := c.Kubectl(ctx, append([]string{"get", "-o", "json"}, args...)...)
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(text), into); err != nil {
		return fmt.Errorf("k8s: get %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

// Close ends everything that runs in the cluster, and removes its control groups.
func (c *Cluster) Close() error {
	var failed []error
	for _, n := range c.Nodes {
		failed = append(failed, n.Close())
	}
	if c.Control != nil {
		failed = append(failed, c.Control.Close())
	}
	return errors.Join(failed...)
}
