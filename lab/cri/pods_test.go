package cri

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/weftnet/weft/lab/labtest"
)

// hostPort is a port of each host that leads to its first pod.
const hostPort = 18080

// bed is two hosts with two pods each, that live as long as the test.
type bed struct {
	*site
	pods []*Pod // in the order of the hosts
}

func TestPodsOfTwoHosts(t *testing.T) {
	b := newBed(t)
	t.Run("pods and hosts reach all pods", b.testPaths)
	t.Run("host port", b.testHostPort)
	t.Run("nothing is lost when daemons restart", b.testRestarts)
	t.Run("a pod starts while weft does not run", b.testAbsent)
	t.Run("a pod starts while weft starts", b.testStarting)
	t.Run("a pod without its namespace goes", b.testVanished)
	t.Run("twenty at once", b.testCrowd)
	t.Run("containerd and plugins are killed at work", b.testKilled)
	b.agree(t)
	t.Run("another boot", b.testReboot) // the last: it ends the pods of a host
}

func newBed(t *testing.T) *bed {
	t.Helper()
	b := &bed{site: newSite(t), pods: make([]*Pod, 4)}
	var all sync.WaitGroup
	for i := range b.pods {
		all.Go(func() {
			config := PodConfig{Name: fmt.Sprintf("web-%d", i+1)}
			if i%2 == 0 {
				config.HostPort = hostPort
			}
			var err error
			if b.pods[i], err = b.nodes[i/2].serve(within(t, soon), config); err != nil {
				t.Errorf("pod %s: %v", config.Name, err)
			}
		})
	}
	all.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return b
}

// of are the pods of one host.
func (b *bed) of(n *node) []*Pod {
	return slices.DeleteFunc(slices.Clone(b.pods), func(p *Pod) bool { return p.Runtime() != n.Runtime })
}

// agree is agrees of both hosts, whose only pods are those of the bed.
func (b *bed) agree(t *testing.T) {
	t.Helper()
	for _, n := range b.nodes {
		n.agrees(t, b.of(n)...)
	}
}

// everywhere are all places from which pods are reached.
func (b *bed) everywhere() map[string]labtest.Place {
	places := map[string]labtest.Place{}
	for _, n := range b.nodes {
		places[n.Name()] = n
	}
	for _, p := range b.pods {
		places[p.Name] = p
	}
	return places
}

func (b *bed) testPaths(t *testing.T) {
	for name, place := range b.everywhere() {
		for _, to := range b.pods {
			if len(to.Addrs) != 2 || !to.Addr4().IsValid() || !to.Addr6().IsValid() {
				t.Fatalf("pod %s has %v, want an address of each family", to.Name, to.Addrs)
			}
			for _, addr := range to.Addrs {
				reach(t, name, place, to, addr)
			}
		}
	}
}

// reach shows that a pod is reached, by its data, and that it sees another pod's own address.
func reach(t *testing.T, name string, place labtest.Place, to *Pod, addr netip.Addr) {
	t.Helper()
	ctx, at := within(t, soon), netip.AddrPortFrom(addr, PodPort)
	if err := labtest.Download(ctx, place, at); err != nil {
		t.Errorf("%s to %s of %s: %v", name, addr, to.Name, err)
		return
	}
	a, err := labtest.Ask(ctx, place, at)
	if err != nil || a.Pod != to.Name {
		t.Errorf("%s to %s: %q answered, want %s: %v", name, addr, a.Pod, to.Name, err)
	}
	if from, ok := place.(*Pod); ok && !slices.Contains(from.Addrs, a.Source) {
		t.Errorf("%s to %s: the source is %s, want one of %v", name, addr, a.Source, from.Addrs)
	}
}

// testHostPort shows that the first pod of each host answers at the host's own addresses and sees who asks: the other host.
func (b *bed) testHostPort(t *testing.T) {
	for _, n := range b.nodes {
		from := b.other(n)
		for _, addr := range n.Addrs() {
			a, err := labtest.Ask(within(t, soon), from, netip.AddrPortFrom(addr, hostPort))
			if err != nil || a.Pod != b.of(n)[0].Name || !slices.Contains(from.Addrs(), a.Source) {
				t.Errorf("%s: %+v answers, want pod %s, with source %v: %v", addr, a, b.of(n)[0].Name, from.Addrs(), err)
			}
		}
	}
}

// flow opens a connection from each pod to each other one, over both families, on which data go all the time. end ends them and
// fails the test if one has lost anything.
func (b *bed) flow(t *testing.T) (end func()) {
	t.Helper()
	var streams []*labtest.Sequence
	for _, from := range b.pods {
		for _, to := range b.pods {
			for _, addr := range to.Addrs {
				if from != to {
					streams = append(streams, labtest.StartSequence(t, from, to, addr))
				}
			}
		}
	}
	return func() {
		for _, s := range streams {
			if err := s.End(within(t, soon)); err != nil {
				t.Error(err)
			}
		}
	}
}

// testRestarts ends weft and containerd of each host, in order and by force, and at last both at once, while data go between all pods.
func (b *bed) testRestarts(t *testing.T) {
	end := b.flow(t)
	for _, n := range b.nodes {
		for _, stop := range []func(context.Context) error{n.weft.Stop, n.weft.Kill} {
			check(t, stop(within(t, soon)))
			b.up(t, n)
		}
		for _, stop := range []func(context.Context) error{n.Containerd.Stop, n.Containerd.Kill} {
			check(t, stop(within(t, soon)))
			n.startContainerd(t)
		}
	}
	n := b.nodes[0]
	check(t, errors.Join(n.weft.Kill(within(t, soon)), n.Containerd.Kill(within(t, soon))))
	n.startContainerd(t)
	b.up(t, n)
	end()
	b.agree(t)
}

func (n *node) startContainerd(t *testing.T) {
	t.Helper()
	check(t, n.Containerd.Start())
	check(t, n.Await(within(t, soon)))
}

// testAbsent makes a pod without the daemon, and reaches it from everywhere when the daemon is back.
func (b *bed) testAbsent(t *testing.T) {
	n := b.nodes[0]
	check(t, n.weft.Stop(within(t, soon)))
	p := n.mustServe(t, "early")
	b.up(t, n)
	for name, place := range b.everywhere() {
		reach(t, name, place, p, p.Addr4())
		reach(t, name, place, p, p.Addr6())
	}
	remove(t, p)
	b.agree(t)
}

func (b *bed) testStarting(t *testing.T) {
	n := b.nodes[1]
	check(t, n.weft.Kill(within(t, soon)))
	check(t, n.weft.Up())
	p := n.mustServe(t, "meanwhile")
	check(t, b.AwaitAll(within(t, soon)))
	reach(t, b.pods[0].Name, b.pods[0], p, p.Addr6())
	remove(t, p)
	b.agree(t)
}

// testVanished takes a pod's namespace away before the runtime calls DEL.
func (b *bed) testVanished(t *testing.T) {
	n := b.nodes[0]
	p, err := n.RunPod(within(t, soon), PodConfig{Name: "vanishing"})
	check(t, err)
	_, err = n.Run(within(t, soon), "umount", p.Space())
	check(t, err)
	_, err = n.Run(within(t, soon), "rm", p.Space())
	check(t, err)
	remove(t, p)
	b.agree(t)
}

func (b *bed) testCrowd(t *testing.T) {
	n := b.nodes[1]
	const crowd = 20
	pods := make([]*Pod, crowd)
	together(t, crowd, func(i int) (err error) {
		pods[i], err = n.RunPod(within(t, soon), PodConfig{Name: fmt.Sprintf("crowd-%d", i)})
		return err
	})
	if t.Failed() {
		return
	}
	n.agrees(t, append(b.of(n), pods...)...)
	together(t, crowd, func(i int) error { return pods[i].Remove(within(t, soon)) })
	b.agree(t)
}

// testKilled kills containerd while it makes pods, and the plugins that it has started with it. What it knows of them after its restart
// is removed, as a kubelet does, and nothing is left.
func (b *bed) testKilled(t *testing.T) {
	n := b.nodes[0]
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			_, _ = n.RunPod(within(t, soon), PodConfig{Name: fmt.Sprintf("unborn-%d", i)}) // who was quick has been made, the others not
		})
	}
	check(t, Poll(within(t, soon), func() error {
		held, err := n.held()
		if err == nil && len(held) == len(b.of(n)) {
			err = errors.New("no pod has got addresses yet")
		}
		return err
	}))
	check(t, n.Containerd.Kill(within(t, soon)))
	all.Wait()
	n.startContainerd(t)
	known, err := n.Sandboxes(within(t, soon))
	check(t, err)
	for _, id := range known {
		if !slices.ContainsFunc(b.pods, func(p *Pod) bool { return p.ID == id }) {
			_, err := n.Ask(within(t, soon), "rmp", "--force", id)
			check(t, err)
		}
	}
	b.agree(t)
}

// together calls fn for each of count at the same time.
func together(t *testing.T, count int, fn func(i int) error) {
	var all sync.WaitGroup
	for i := range count {
		all.Go(func() {
			if err := fn(i); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// testReboot ends everything on a host as a loss of power does, and starts it again in another boot, with what is on its disk. What the
// first boot's pods had is free.
func (b *bed) testReboot(t *testing.T) {
	n := b.nodes[0]
	dead := b.of(n)
	b.losePower(t, n)
	n.startContainerd(t)
	_, err := n.RunPod(within(t, soon), PodConfig{Name: "too-early"})
	if err == nil || !strings.Contains(err.Error(), "weft is not running on this node") {
		t.Errorf("a pod of a boot without lease: %v", err)
	}
	b.up(t, n)
	n.awaitLease(t)
	p := n.mustServe(t, "reborn")
	for name, place := range b.everywhere() {
		if from, ok := place.(*Pod); !ok || from.Runtime() != n.Runtime {
			reach(t, name, place, p, p.Addr4())
		}
	}
	n.agrees(t, p)
	for _, d := range dead {
		remove(t, d)
	}
	n.agrees(t, p)
	reach(t, b.pods[3].Name, b.pods[3], p, p.Addr6())
	remove(t, p)
	n.agrees(t)
	if known, err := n.Sandboxes(within(t, soon)); err != nil || len(known) > 0 {
		t.Errorf("containerd still has %v: %v", known, err)
	}
}

// losePower ends weft, containerd and all containers of a host, empties what does not outlast a boot, and draws another boot id.
func (b *bed) losePower(t *testing.T, n *node) {
	t.Helper()
	check(t, n.weft.Kill(within(t, soon)))
	check(t, n.Containerd.Kill(within(t, soon)))
	const script = `
		kill -9 -1 2>/dev/null
		umount /run/netns/* /run/containerd/io.containerd.grpc.v1.cri/sandboxes/*/shm /run/containerd/io.containerd.runtime.v2.task/k8s.io/*/rootfs
		rm -rf /run/netns /run/containerd /run/pods
		cat /proc/sys/kernel/random/uuid >/run/boot_id
		mount --bind /run/boot_id "$1"
		ip link del weft0
		ip link del weftbr0
		nft flush ruleset`
	_, err := n.Run(within(t, soon), "bash", "-c", script, "bash", bootFile)
	check(t, err)
	if _, err := os.Stat(n.Path(spacesDir)); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("namespaces of pods are left: %v", err)
	}
}
