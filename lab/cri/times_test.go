package cri

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/containernetworking/cni/libcni"
	"github.com/vishvananda/netns"
)

// timedPods is how many pods are added, and then removed.
const timedPods = 200

// timesFile has a line for each call of the plugin by containerd: the operation, and when it began and ended, in seconds. When a sandbox
// is removed, containerd repeats the DEL of its end, without the namespace: that is "again" there.
const timesFile = "/run/cni-times"

// timed stands for the plugin in containerd's directory, calls it and notes how long that took.
const timed = `#!/bin/bash
start=$EPOCHREALTIME
/opt/weft/weft-cni
code=$?
[ "$CNI_NETNS" ] || CNI_COMMAND=again
echo "$CNI_COMMAND $start $EPOCHREALTIME" >>` + timesFile + `
exit $code
`

// TestMeasureTimes says how long ADD and DEL take on a node where containerd runs, one at a time and sixteen at once: called by
// containerd, whom crictl asks for pods, and called by themselves.
func TestMeasureTimes(t *testing.T) {
	measuring(t)
	s := newSite(t, "--subnet-size", "20,64") // addresses of removed pods rest for a while
	for _, atOnce := range []int{1, 16} {
		t.Run(fmt.Sprintf("by itself, %d at once", atOnce), func(t *testing.T) { s.nodes[0].timeStraight(t, atOnce) })
	}
	n := s.nodes[1]
	raw, err := os.ReadFile(n.Path("/opt/cni/bin/weft-cni"))
	check(t, err)
	check(t, n.WriteFile("/opt/weft/weft-cni", raw, 0o755))
	check(t, os.Remove(n.Path("/opt/cni/bin/weft-cni")))
	check(t, n.WriteFile("/opt/cni/bin/weft-cni", []byte(timed), 0o755))
	for _, atOnce := range []int{1, 16} {
		t.Run(fmt.Sprintf("by containerd, %d at once", atOnce), func(t *testing.T) { n.timeRuntime(t, atOnce) })
	}
}

// timeRuntime makes pods and removes them, and logs what became of it.
func (n *node) timeRuntime(t *testing.T, atOnce int) {
	pods := make([]*Pod, timedPods)
	run := func(i int) (err error) {
		pods[i], err = n.RunPod(within(t, measureWithin), PodConfig{Name: fmt.Sprintf("timed-%d-%d", atOnce, i)})
		return err
	}
	made := limited(t, atOnce, run)
	if t.Failed() {
		return
	}
	n.agrees(t, pods...)
	removed := limited(t, atOnce, func(i int) error { return pods[i].Remove(within(t, measureWithin)) })
	n.agrees(t)
	times, err := n.times()
	check(t, err)
	for _, operation := range []string{"ADD", "DEL"} {
		if len(times[operation]) != timedPods {
			t.Errorf("%d calls of %s, want %d", len(times[operation]), operation, timedPods)
		}
		t.Logf("%s: %s", operation, quantiles(times[operation]))
	}
	t.Logf("DEL again: %s", quantiles(times["again"]))
	t.Logf("crictl runp and inspectp: %s; rmp: %s", quantiles(made), quantiles(removed))
}

// times takes what timed has noted.
func (n *node) times() (map[string][]time.Duration, error) {
	raw, err := os.ReadFile(n.Path(timesFile))
	if err != nil {
		return nil, err
	}
	times := map[string][]time.Duration{}
	for line := range strings.Lines(string(raw)) {
		var operation string
		var from, to float64
		if _, err := fmt.Sscan(line, &operation, &from, &to); err != nil {
			return nil, fmt.Errorf("%q: %w", line, err)
		}
		times[operation] = append(times[operation], time.Duration((to-from)*float64(time.Second)))
	}
	return times, os.Remove(n.Path(timesFile))
}

// limited calls fn for each of timedPods, atOnce at a time, and returns how long each call took.
func limited(t *testing.T, atOnce int, fn func(i int) error) []time.Duration {
	took := make([]time.Duration, timedPods)
	turns := make(chan int)
	var all sync.WaitGroup
	for range atOnce {
		all.Go(func() {
			for i := range turns {
				start := time.Now()
				if err := fn(i); err != nil {
					t.Error(err)
				}
				took[i] = time.Since(start)
			}
		})
	}
	for i := range timedPods {
		turns <- i
	}
	close(turns)
	all.Wait()
	return took
}

// timeStraight calls the plugin as runtimes do, without one, and logs how long that took.
func (n *node) timeStraight(t *testing.T, atOnce int) {
	cni := libcni.NewCNIConfigWithCacheDir([]string{n.Path("/opt/cni/bin")}, t.TempDir(), nil)
	text := fmt.Sprintf(`{"cniVersion":"1.0.0","name":"weft","plugins":[{"type":"weft-cni","runDir":%s}]}`, strconv.Quote(n.runDir()))
	list, err := libcni.NetworkConfFromBytes([]byte(text))
	check(t, err)
	pods := make([]*libcni.RuntimeConf, timedPods)
	for i := range pods {
		pods[i] = &libcni.RuntimeConf{ContainerID: fmt.Sprintf("straight-%d-%d", atOnce, i), NetNS: newSpace(t), IfName: "eth0"}
	}
	for _, operation := range []string{"ADD", "DEL"} {
		took := limited(t, atOnce, func(i int) error {
			return n.Do(func() error { return call(within(t, measureWithin), cni, list, operation, pods[i]) })
		})
		t.Logf("%s: %s", operation, quantiles(took))
	}
	n.agrees(t)
}

func call(ctx context.Context, cni *libcni.CNIConfig, list *libcni.NetworkConfigList, operation string, pod *libcni.RuntimeConf) (err error) {
	if operation == "DEL" {
		return cni.DelNetworkList(ctx, list, pod)
	}
	_, err = cni.AddNetworkList(ctx, list, pod)
	return err
}

// newSpace makes a network namespace without a name, which goes with the test, and returns its file.
func newSpace(t *testing.T) string {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	check(t, err)
	defer home.Close()
	space, err := netns.New()
	check(t, err)
	check(t, netns.Set(home))
	t.Cleanup(func() { space.Close() })
	return filepath.Join("/proc", strconv.Itoa(os.Getpid()), "fd", strconv.Itoa(int(space)))
}
