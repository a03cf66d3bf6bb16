package kubernetes

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/weftnet/weft/atomicfile"
)

// Machine is where credentials are looked for.
type Machine struct {
	Getenv         func(string) string
	ServiceAccount string   // directory of that of a pod
	Kubeconfigs    []string // that are tried without being named, in this order
}

// ThisMachine is the machine as Kubernetes, k3s and RKE2 leave it. Of the kubeconfigs, those of the node's own kubelet come first: they may
// do least.
func ThisMachine() Machine {
	return Machine{
		Getenv:         os.Getenv,
		ServiceAccount: "/var/run/secrets/kubernetes.io/serviceaccount",
		Kubeconfigs: []string{
			"/etc/kubernetes/kubelet.conf",
			"/var/lib/rancher/k3s/agent/kubelet.kubeconfig",
			"/var/lib/rancher/rke2/agent/kubelet.kubeconfig",
			"/etc/rancher/k3s/k3s.yaml",
		},
	}
}

// Credentials finds and reads those to call with. named is a kubeconfig, or "": then it is that of the environment's KUBECONFIG, the
// pod's service account, or the first of m.Kubeconfigs that exists. Errors are an *Error of kind NoCredentials.
func (m Machine) Credentials(named string) (*Credentials, error) {
	if named == "" {
		named = m.Getenv("KUBECONFIG")
		if list := filepath.SplitList(named); len(list) > 1 {
			return nil, errorf(NoCredentials, "KUBECONFIG names %d files (%s): name one with the key kubeconfig", len(list), plain(named))
		}
	}
	switch {
	case named != "":
		return fromKubeconfig(named)
	case m.inPod():
		return m.fromServiceAccount()
	}
	for _, file := range m.Kubeconfigs {
		if _, err := os.Lstat(file); !errors.Is(err, fs.ErrNotExist) {
			return fromKubeconfig(file)
		}
	}
	return nil, errorf(NoCredentials, "there are no credentials: none of %s exists, and this is no pod; name a kubeconfig with the key kubeconfig",
		strings.Join(m.Kubeconfigs, ", "))
}

func fromKubeconfig(file string) (*Credentials, error) {
	data, _, err := atomicfile.Read(file, maxFile)
	if err != nil {
		return nil, errorf(NoCredentials, "kubeconfig %v", err)
	}
	a, err := parseKubeconfig(data, filepath.Dir(file))
	if err != nil {
		return nil, errorf(NoCredentials, "kubeconfig %s: %v", file, err)
	}
	c, err := a.load(file)
	if err != nil {
		return nil, errorf(NoCredentials, "kubeconfig %s: %v", file, err)
	}
	return c, nil
}

const (
	tokenFile = "token"
	caFile    = "ca.crt"
)

// inPod reports whether this is a pod with a service account.
func (m Machine) inPod() bool {
	_, err := os.Stat(filepath.Join(m.ServiceAccount, tokenFile))
	return err == nil && m.Getenv("KUBERNETES_SERVICE_HOST") != ""
}

func (m Machine) fromServiceAccount() (*Credentials, error) {
	host, port := m.Getenv("KUBERNETES_SERVICE_HOST"), m.Getenv("KUBERNETES_SERVICE_PORT")
	server, err := parseServer((&url.URL{Scheme: "https", Host: net.JoinHostPort(host, port)}).String())
	if err == nil && port == "" {
		err = errors.New("there is no KUBERNETES_SERVICE_PORT")
	}
	if err != nil {
		return nil, errorf(NoCredentials, "KUBERNETES_SERVICE_HOST and _PORT: %v", err)
	}
	a := access{
		server: server,
		ca:     source{file: filepath.Join(m.ServiceAccount, caFile)},
		token:  source{file: filepath.Join(m.ServiceAccount, tokenFile)},
	}
	c, err := a.load("the service account of this pod")
	if err != nil {
		return nil, errorf(NoCredentials, "%v", fmt.Errorf("service account: %w", err))
	}
	return c, nil
}
