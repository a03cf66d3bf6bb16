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

// engine is a program that runs containers, all of whose files and processes are a shell's own.
type engine struct {
	name    string
	needs   []string // its programs
	prelude string   // how the shell begins; %[1]s is a directory for its files, %[2]s an image, %[3]s a name that no other host has
	block   int      // the one of docs/containers.md that makes its network
}

// podmanPrelude has namespaces for mounts and processes from containerShell, and settings for a machine where limits cannot be
// raised and control groups belong to somebody else.
const podmanPrelude = `set -eu
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
run() { exec podman run "$@"; }
`

// dockerPrelude starts a daemon of the shell's own, with a /run of its own.
const dockerPrelude = `set -eu
mount -t tmpfs none /mnt
mkdir /mnt/weft-lab
mount --bind /run/weft-lab /mnt/weft-lab
mount -n --move /mnt /run
mount -t tmpfs none /opt
mkdir -p /etc/docker
mount -t tmpfs none /etc/docker
mount -t sysfs none /sys
mount -t cgroup2 none /sys/fs/cgroup
echo '{}' >%[1]s/daemon.json
dockerd --config-file %[1]s/daemon.json --data-root %[1]s/data --storage-driver vfs \
	--exec-opt native.cgroupdriver=cgroupfs --cgroup-parent /%[3]s >%[1]s/log 2>&1 &
until docker info >/dev/null 2>&1; do kill -0 $! || { tail -n 3 %[1]s/log >&2; exit 1; }; sleep 0.1; done
docker import --change 'ENTRYPOINT ["/witness"]' %[2]s witness >&2
run() { exec docker run "$@"; }
`

var (
	docker = engine{"docker", []string{"docker", "dockerd"}, dockerPrelude, 0}
	podman = engine{"podman", []string{"podman", "/usr/lib/cni/bridge"}, podmanPrelude, 1}
)

// need skips the test where the engine cannot run containers, and says why. Docker sees a host then that forwards nothing yet: it
// switches forwarding on, and drops what it does not know.
func (e engine) need(t *testing.T, h *lab.Host, image string) {
	t.Helper()
	for _, program := range e.needs {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed: scripts/setup.sh --all", program)
		}
	}
	script := "echo 0 >/proc/sys/net/ipv4/ip_forward\n" + e.begin(h, image) + "run --rm --network none --entrypoint /witness witness stop\n"
	if out, err := h.RunCommand(within(t, patience), containerShell(script)); err != nil {
		t.Skipf("%s cannot run a container here: %v %s", e.name, err, out)
	}
}

// begin is how a shell on a host begins.
func (e engine) begin(h *lab.Host, image string) string {
	return fmt.Sprintf(e.prelude, filepath.Join(h.Dir(), e.name), image, h.FullName())
}

func containerShell(script string) lab.Command {
	return lab.Command{Args: []string{"unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "-c", script}}
}

// removeGroups removes the control groups that the containers of a host had, once the lab is closed.
func removeGroups(t *testing.T, host string) {
	const script = `mount -t cgroup2 none /mnt
	for i in $(seq 300); do # those that were killed end in a moment
		[ -d "/mnt/$1" ] || exit 0
		find "/mnt/$1" -depth -type d -exec rmdir {} + && exit 0
		sleep 0.1
	done; exit 1`
	out, err := exec.Command("unshare", "--mount", "sh", "-c", script, "sh", host).CombinedOutput()
	if err != nil {
		t.Errorf("control group %s is left: %v %s", host, err, out)
	}
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

// start makes the network as docs/containers.md says, for the subnets of node number i, and runs witness in it.
func (e engine) start(t *testing.T, n *cluster.Node, i int, image string, ask ...netip.Addr) *lab.Process {
	t.Helper()
	list := blocks(t, "docs/containers.md")
	if len(list) != 2 {
		t.Fatalf("%d runnable blocks in docs/containers.md, want 2", len(list))
	}
	own := strings.NewReplacer("10.244.2.", fmt.Sprintf("10.244.%d.", i), "fd10:244:0:2:", fmt.Sprintf("fd10:244:0:%d:", i))
	a := containerAddrs(i)
	run := fmt.Sprintf("run --rm --network weft --ip %s --ip6 %s witness", a[0], a[1])
	for _, addr := range ask {
		run += " " + addr.String()
	}
	p, err := n.StartCommand(containerShell(e.begin(n.Host, image) + own.Replace(list[e.block].script) + run + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestContainersOfPodmanReachEachOtherUnderTheirOwnAddresses(t *testing.T) {
	t.Parallel()
	testContainers(t, podman)
}

func TestContainersOfDockerReachEachOtherUnderTheirOwnAddresses(t *testing.T) {
	t.Parallel()
	c := testContainers(t, docker)
	for _, n := range c.Nodes {
		rules := shell(t, n, "nft list table ip filter")
		if !strings.Contains(rules, "hook forward priority filter; policy drop;") || !strings.Contains(rules, "chain DOCKER-USER {\n\t\tiifname \"weft0\"") {
			t.Errorf("this is not Docker's drop with weft's rules before it:\n%s", rules)
		}
	}
}

// testContainers runs one container on each of two nodes. They and the nodes see each other under their own addresses, and the
// containers have the overlay's MTU.
func testContainers(t *testing.T, e engine) *cluster.Cluster {
	t.Helper()
	var hosts []string
	t.Cleanup(func() { // after the lab's
		for _, host := range hosts {
			removeGroups(t, host)
		}
	})
	c := newCluster(t, 0)
	for i := 1; i <= 2; i++ {
		n, err := c.Add(interrupted, "--subnet", fmt.Sprintf("10.244.%d.0/24,fd10:244:0:%d::/64", i, i))
		if err != nil {
			t.Fatal(err)
		}
		hosts = append(hosts, n.FullName())
		if err := os.MkdirAll(filepath.Join(n.Dir(), e.name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	image := witnessImage(t)
	for _, n := range c.Nodes {
		e.need(t, n.Host, image)
	}
	startAll(t, c)
	first, second := containerAddrs(1), containerAddrs(2)
	e.start(t, c.Nodes[0], 1, image)
	p := e.start(t, c.Nodes[1], 2, image, first[0], first[1])
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
	return c
}
