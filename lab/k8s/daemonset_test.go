package k8s

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weftnet/weft/lab/labtest"
)

// daemonSet is weft as deploy/k3s/weft.yaml brings it, from the image that 'make image' makes.
type daemonSet struct{ plugin }

const testImage = "localhost/weft:test"

func (daemonSet) install(t *testing.T, c *Cluster) {
	image, manifest := makeImage(t, c.file(""))
	secret, err := exec.CommandContext(within(t, soon), labtest.Weft(t), "secret").Output()
	check(t, err)
	var first string
	for _, n := range c.Nodes {
		_, err := n.Run(within(t, soon), "ctr", "--namespace", "k8s.io", "images", "import", image)
		check(t, err)
		if first == "" {
			first = n.Addr4().String()
		}
	}
	check(t, c.Apply(within(t, soon), strings.NewReplacer(
		"the line that 'weft secret' prints", strings.TrimSpace(string(secret)), "192.0.2.11", first, "10.42.0.0/16", podNetworks(),
	).Replace(manifest)))
	out, err := c.Kubectl(within(t, rolloutWithin), "--namespace", "kube-system", "rollout", "status", "daemonset/weft", "--timeout", fmt.Sprint(rolloutWithin))
	if err != nil {
		pods, _ := c.Kubectl(within(t, soon), "--namespace", "kube-system", "describe", "pods")
		logs, _ := c.Kubectl(within(t, soon), "--namespace", "kube-system", "logs", "--all-containers", "--selector", "app.kubernetes.io/name=weft")
		t.Fatalf("%v %s\n%s\n%s", err, out, pods, logs)
	}
}

// makeImage makes the image in dir, and the manifest that names it.
func makeImage(t *testing.T, dir string) (image, manifest string) {
	image = filepath.Join(dir, "weft.tar")
	file := filepath.Join(dir, "weft.yaml")
	make := exec.CommandContext(within(t, clusterWithin), "make", "--silent", "--directory", "../..", "image", "CNI="+filepath.Join(dir, "cni"),
		"STATIC="+filepath.Join(dir, "weft"), "IMAGE="+testImage, "IMAGE_FILE="+image, "MANIFEST="+file)
	if out, err := make.CombinedOutput(); err != nil {
		t.Fatalf("make image: %v\n%s", err, out)
	}
	text, err := os.ReadFile(file)
	check(t, err)
	return image, string(text)
}

// The containers of weft are those of a kubelet here, and the objects are what the API server takes.
func TestTheDaemonSetMakesNodesReadyAndPodsReachEachOther(t *testing.T) {
	b := &bed{Cluster: newCluster(t, "iptables"), plugin: daemonSet{}}
	if !t.Run("nodes become ready", b.testReady) || !t.Run("pods of a daemon set become ready", b.testRollout) {
		return
	}
	t.Run("pods reach each other", b.testPods)
	t.Run("service", b.testService)
	t.Run("host port", b.testHostPort)
}
