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
type daemonSet struct{ shim }

const testImage = "localhost/weft:test"

func (*daemonSet) install(t *testing.T, c *Cluster) {
	image, manifest := makeImage(t, c.file(""))
	program, err := os.ReadFile(labtest.Weft(t))
	check(t, err)
	secret, err := exec.CommandContext(within(t, soon), labtest.Weft(t), "secret").Output()
	check(t, err)
	var first string
	for _, n := range c.Nodes {
		check(t, n.WriteFile(weftProgram, program, 0o755)) // to ask with
		_, err := n.Run(within(t, soon), "ctr", "--namespace", "k8s.io", "images", "import", image)
		check(t, err)
		if first == "" {
			first = n.Addr4().String()
		}
	}
	manifest = strings.NewReplacer(
		"the line that 'weft secret' prints", strings.TrimSpace(string(secret)), "192.0.2.11", first, "10.42.0.0/16", podNetworks(),
	).Replace(manifest)
	_, err = c.kubectl(within(t, soon), manifest, []string{"apply", "--dry-run=server", "--validate=strict", "--warnings-as-errors", "-f", "-"})
	check(t, err)
	check(t, c.Apply(within(t, soon), manifest))
	awaitDaemonSet(t, c)
}

// awaitDaemonSet waits until the pods of weft are those that it describes, and ready.
func awaitDaemonSet(t *testing.T, c *Cluster) {
	t.Helper()
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
	b := &bed{Cluster: newCluster(t, "iptables"), plugin: new(daemonSet)}
	if !t.Run("nodes become ready", b.testReady) || !t.Run("pods of a daemon set become ready", b.testRollout) {
		return
	}
	t.Run("pods reach each other", b.testPods)
	t.Run("service", b.testService)
	t.Run("host port", b.testHostPort)
	t.Run("status in the pod", b.testStatus)
	t.Run("no connection is lost when all are replaced", b.testReplace)
	t.Run("what is deleted frees its addresses", b.testDelete)
	t.Run("what the document says removes all", b.testRemove)
}

// testStatus asks inside the pod as docs/k3s.md says, but by containerd: the server finds no node by name here. What the pod cannot see is
// a warning.
func (b *bed) testStatus(t *testing.T) {
	out, err := b.Nodes[0].Run(within(t, soon), "sh", "-c", `set -eu
		id=$(ctr --namespace k8s.io containers list -q 'labels."io.kubernetes.container.name"==cni')
		ctr --namespace k8s.io tasks exec --exec-id status $id weft cni status --bin-dir /opt/cni/bin --conf-dir /etc/cni/net.d`)
	if err != nil || strings.Count(out, " plugin ") != 4 || strings.Contains(out, "fail") || strings.Count(out, "warn") != 1 {
		t.Errorf("%v\n%s", err, out)
	}
	t.Log(out)
}

// testReplace replaces the daemon set's pods one after the other.
func (b *bed) testReplace(t *testing.T) {
	b.whileDataGo(t, func() {
		_, err := b.Kubectl(within(t, soon), "--namespace", "kube-system", "rollout", "restart", "daemonset/weft")
		check(t, err)
		awaitDaemonSet(t, b.Cluster)
	})
}

// testRemove deletes the daemon set, and runs on each node what docs/k3s.md has for that.
func (b *bed) testRemove(t *testing.T) {
	text, err := os.ReadFile("../../docs/k3s.md")
	check(t, err)
	_, script, found := strings.Cut(string(text), "```sh\nrun='k3s ctr")
	script, _, closed := strings.Cut(script, "```")
	if !found || !closed {
		t.Fatal("docs/k3s.md has no commands that remove weft")
	}
	script = "set -eu\nsudo() { \"$@\"; }\nrun='ctr --namespace k8s.io" + strings.ReplaceAll(script, "localhost/weft:VERSION", testImage)
	_, err = b.Kubectl(within(t, rolloutWithin), "--namespace", "kube-system", "delete", "daemonset/weft", "--wait", "--cascade=foreground")
	check(t, err)
	for _, n := range b.Nodes {
		if out, err := n.Run(within(t, rolloutWithin), "bash", "-c", script); err != nil {
			t.Errorf("%s: %v\n%s", n.Name(), err, out)
		}
		files, err := n.Run(within(t, soon), "find", "/opt/cni/bin", "/etc/cni/net.d", "-type", "f")
		check(t, err)
		kernel, err := n.Run(within(t, soon), "sh", "-ec", "ip -o link; ip -o rule; ip route show table all; nft list tables; iptables-save; ip6tables-save")
		check(t, err)
		if files != "" || strings.Contains(kernel, "weft") {
			t.Errorf("on %s is left:\n%s\n%s", n.Name(), files, kernel)
		}
	}
}
