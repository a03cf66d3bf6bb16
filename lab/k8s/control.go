package k8s

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/cri"
)

// startControl makes the machine of the control plane and waits until the server is ready.
func (c *Cluster) startControl(ctx context.Context) error {
	host, err := c.lab.Host("control")
	if err != nil {
		return err
	}
	if c.Control, err = cri.Boot(ctx, host); err != nil {
		return err
	}
	if err := c.makeAuthority(); err != nil {
		return err
	}
	var running []*lab.Process
	for _, args := range [][]string{etcdArgs(), c.serverArgs(), c.managerArgs(), c.schedulerArgs()} {
		p, err := c.Control.Start(args...)
		if err != nil {
			return err
		}
		running = append(running, p)
	}
	return c.awaitServer(ctx, running)
}

// makeAuthority makes the certificates that are nobody's but the control plane's.
func (c *Cluster) makeAuthority() (err error) {
	if c.pki, err = newAuthority(c.file("pki")); err != nil {
		return err
	}
	server := identity{name: "kube-apiserver", names: []string{"kubernetes", "kubernetes.default.svc"},
		addrs: append(c.Control.Addrs(), netip.MustParseAddr(serviceAPI), netip.MustParseAddr("127.0.0.1"))}
	if err := c.pki.issue("server", server); err != nil {
		return err
	}
	if err := c.pki.issue("accounts", identity{name: "service-accounts"}); err != nil {
		return err
	}
	c.admin, err = c.pki.kubeconfig("admin", c.server(), identity{name: "admin", group: "system:masters"})
	if err != nil {
		return err
	}
	for _, component := range []string{"manager", "scheduler", "proxy"} {
		who := identity{name: map[string]string{
			"manager": "system:kube-controller-manager", "scheduler": "system:kube-scheduler", "proxy": "system:kube-proxy",
		}[component]}
		if _, err := c.pki.kubeconfig(component, c.server(), who); err != nil {
			return err
		}
	}
	return nil
}

// server is the address of the server of the API.
func (c *Cluster) server() string {
	return "https://" + netip.AddrPortFrom(c.Control.Addr4(), 6443).String()
}

// etcdArgs start etcd on its usual ports.
func etcdArgs() []string { return []string{"etcd", "--data-dir", "/var/lib/etcd/data"} }

func (c *Cluster) serverArgs() []string {
	return []string{
		c.options.Binaries.path("kube-apiserver"),
		"--etcd-servers=http://127.0.0.1:2379",
		"--advertise-address=" + c.Control.Addr4().String(),
		"--service-cluster-ip-range=" + serviceNetworks,
		"--authorization-mode=Node,RBAC",
		"--allow-privileged=true",
		"--client-ca-file=" + c.pki.path("ca.crt"),
		"--tls-cert-file=" + c.pki.path("server.crt"),
		"--tls-private-key-file=" + c.pki.path("server.key"),
		"--kubelet-certificate-authority=" + c.pki.path("ca.crt"),
		"--kubelet-client-certificate=" + c.pki.path("admin.crt"),
		"--kubelet-client-key=" + c.pki.path("admin.key"),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + c.pki.path("accounts.crt"),
		"--service-account-signing-key-file=" + c.pki.path("accounts.key"),
	}
}

func (c *Cluster) managerArgs() []string {
	return []string{
		c.options.Binaries.path("kube-controller-manager"),
		"--kubeconfig=" + c.pki.path("manager.kubeconfig"),
		"--leader-elect=false",
		"--allocate-node-cidrs",
		"--cluster-cidr=" + podNetworks(),
		"--service-cluster-ip-range=" + serviceNetworks,
		"--root-ca-file=" + c.pki.path("ca.crt"),
		"--service-account-private-key-file=" + c.pki.path("accounts.key"),
		"--use-service-account-credentials",
	}
}

func (c *Cluster) schedulerArgs() []string {
	return []string{
		c.options.Binaries.path("kube-scheduler"),
		"--kubeconfig=" + c.pki.path("scheduler.kubeconfig"),
		"--leader-elect=false",
	}
}

// podNetworks are the prefixes of all pods, as the programs' flags take them.
func podNetworks() string { return strings.Join([]string{PodNetwork4, PodNetwork6}, ",") }

// awaitServer waits until the server of the API is ready and all of the control plane runs.
func (c *Cluster) awaitServer(ctx context.Context, running []*lab.Process) error {
	err := cri.Poll(ctx, func() error {
		if i := slices.IndexFunc(running, cri.Ended); i >= 0 {
			return cri.Hopeless(fmt.Errorf("a program of the control plane has ended: %s", cri.LastLines(running[i], 3)))
		}
		_, err := c.Kubectl(ctx, "get", "--raw", "/readyz")
		return err
	})
	if err != nil {
		return fmt.Errorf("k8s: control plane: %w", err)
	}
	return nil
}
