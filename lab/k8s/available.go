package k8s

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/weftnet/weft/lab/cri"
)

// ErrUnavailable says what is missing for a cluster.
var ErrUnavailable = errors.New("no Kubernetes can be run here")

// Variable names the directory of Kubernetes' programs, as binaries/build.sh prints it. Without it the tests are skipped: they
// take minutes.
const Variable = "WEFT_K8S"

// programs are those of Kubernetes, and k3s's controller of network policies (directory policy).
var programs = []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl", "policy"}

// tools are what a cluster runs beside what package cri does, and the package of Debian that has it.
var tools = [][2]string{{"etcd", "etcd-server"}, {"iptables", "iptables"}, {"ipset", "ipset"}, {"nft", "nftables"}}

// Binaries is the directory of Kubernetes' programs.
type Binaries string

// path is that of a program.
func (b Binaries) path(program string) string { return filepath.Join(string(b), program) }

// Available says whether this machine can run a cluster: the directory of the programs, or what is missing.
func Available() (Binaries, error) {
	dir := os.Getenv(Variable)
	if dir == "" {
		return "", fmt.Errorf("%w: %s is not set: make test-k8s", ErrUnavailable, Variable)
	}
	if err := cri.Available(); err != nil {
		return "", err
	}
	for _, program := range programs {
		if _, err := exec.LookPath(filepath.Join(dir, program)); err != nil {
			return "", fmt.Errorf("%w: %w: lab/k8s/binaries/build.sh builds it", ErrUnavailable, err)
		}
	}
	for _, tool := range tools {
		if _, err := exec.LookPath(tool[0]); err != nil {
			return "", fmt.Errorf("%w: %s is missing (package %s): scripts/setup.sh --k8s", ErrUnavailable, tool[0], tool[1])
		}
	}
	return Binaries(dir), nil
}
