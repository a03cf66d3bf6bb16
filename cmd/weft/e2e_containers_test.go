package main

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/cluster"
)

// containerPrelude gives a shell a podman whose files all lie in %[1]s and whose processes end with the shell: namespaces of its
// own for mounts and processes, and settings for a machine where limits cannot be raised and cgroups belong to somebody else.
const containerPrelude = `set -eu
mount -t tmpfs none /etc/cni/net.d
mount -t tmpfs none /var/lib/cni
umount -R /sys/fs/cgroup 2>/dev/null || true
mount -t cgroup2 none /sys/fs/cgroup
mkdir -p %[1]s/netns
mkdir -p /run/netns
mount --bind %[1]s/netns /run/netns
cat >%[1]s/containers.conf <<END
[containers]
cgroups = "disabled"
default_ulimits = ["nofile=1024:1024", "nproc=500:500"]
[network]
network_backend = "cni"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
tmp_dir = "%[1]s/tmp"
END
cat >%[1]s/storage.conf <<END
[storage]
driver = "vfs"
graphroot = "%[1]s/graph"
runroot = "%[1]s/run"
END
export CONTAINERS_CONF=%[1]s/containers.conf CONTAINERS_STORAGE_CONF=%[1]s/storage.conf
sudo() { "$@"; }
podman import --quiet --change 'ENTRYPOINT ["/witness"]' %[2]s witness >&2
`

// needPodman skips the test where podman cannot run containers, and says why.
func needPodman(t *testing.T, h *lab.Host, image string) {
	t.Helper()
	if _, err := exec.LookPath("podman"); err != nil {
		t.Skip("podman is not installed: apt-get install podman")
	}
	if _, err := os.Stat("/usr/lib/cni/bridge"); err != nil {
		t.Skip("the CNI plugins are not installed: apt-get install containernetworking-plugins")
	}
	script := inContainers(h, image) + "exec podman run --rm --network none --entrypoint /witness witness stop\n"
	if out, err := h.RunCommand(within(t, patience), containerShell(script)); err != nil {
		t.Skipf("podman cannot run a container here: %v %s", err, out)
	}
}

func inContainers(h *lab.Host, image string) string {
	return fmt.Sprintf(containerPrelude, filepath.Join(h.Dir(), "podman"), image)
}

func containerShell(script string) lab.Command {
	return lab.Command{Args: []string{"unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "-c", script}}
}

// witnessImage is the root of a container with nothing but the program witness in it, as a tar file.
func witnessImage(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "witness"), "./testdata/witness")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	for _, cmd := range []*exec.Cmd{build, exec.Command("tar", "-C", dir, "-cf", filepath.Join(dir, "image.tar"), "witness")} {
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v: %s", cmd.Args, err, out)
		}
	}
	return filepath.Join(dir, "image.tar")
}

// containerAddrs are the addresses of the container on a node.
func containerAddrs(node int) [2]netip.Addr {
	return [2]netip.Addr{
		netip.AddrFrom4([4]byte{10, 244, byte(node), 20}), netip.MustParseAddr(fmt.Sprintf("fd10:244:0:%d::20", node)),
	}
}

// startContainer makes the network as docs/containers.md says, for the subnets of node number i, and runs witness in it.
func startContainer(t *testing.T, n *cluster.Node, i int, image string, ask ...netip.Addr) *lab.Process {
	t.Helper()
	list := blocks(t, "docs/containers.md")
	if len(list) != 1 {
		t.Fatalf("%d runnable blocks in docs/containers.md, want 1", len(list))
	}
	own := strings.NewReplacer("10.244.2.", fmt.Sprintf("10.244.%d.", i), "fd10:244:0:2:", fmt.Sprintf("fd10:244:0:%d:", i))
	a := containerAddrs(i)
	run := fmt.Sprintf("exec podman run --rm --network weft --ip %s --ip6 %s witness", a[0], a[1])
	for _, addr := range ask {
		run += " " + addr.String()
	}
	p, err := n.StartCommand(containerShell(inContainers(n.Host, image) + own.Replace(list[0].script) + run + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestContainersOfPodmanReachEachOtherUnderTheirOwnAddresses(t *testing.T) {
	c := newCluster(t, 0)
	for i := 1; i <= 2; i++ {
		if _, err := c.Add(interrupted, "--subnet", fmt.Sprintf("10.244.%d.0/24,fd10:244:0:%d::/64", i, i)); err != nil {
			t.Fatal(err)
		}
	}
	image := witnessImage(t)
	for _, n := range c.Nodes {
		if err := os.MkdirAll(filepath.Join(n.Dir(), "podman"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	needPodman(t, c.Nodes[0].Host, image)
	startAll(t, c)
	first, second := containerAddrs(1), containerAddrs(2)
	startContainer(t, c.Nodes[0], 1, image)
	p := startContainer(t, c.Nodes[1], 2, image, first[0], first[1])
	want := []string{"mtu 1440", fmt.Sprintf("%s sees %s", first[0], second[0]), fmt.Sprintf("%s sees %s", first[1], second[1])}
	await(t, func() (bool, string) {
		said, _ := p.Stdout()
		failed, _ := p.Stderr()
		for _, line := range want {
			if !strings.Contains(said, line) {
				return false, fmt.Sprintf("the container says %q, not %q: %s", said, line, failed)
			}
		}
		return true, ""
	})
	for i, addr := range second {
		checkAnswer(t, c.Nodes[0].Host, netip.AddrPortFrom(addr, 7000).String(), status(t, c.Nodes[0]).Node.Addresses[i])
	}
}
