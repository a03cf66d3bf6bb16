package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/weftnet/weft/lab/cluster"
)

const (
	fleetMost    = 100
	fleetForCPU  = 15                // daemons that a CPU can start at once, with room to spare: about 0.4 s of it each
	fleetWithin  = 5 * time.Minute   // bounds each phase; no measure of speed
	fleetSettles = 150 * time.Second // from the last route to the measurement: the first probes of new links, 32 in 4 s each, are over
	fleetRests   = time.Minute       // is measured
	fleetSent    = 4000              // bytes a second of each host at rest, on the wire
	fleetMemory  = 64 << 20          // of each daemon, resident
	fleetNeeds   = 40 << 20          // of memory for each daemon, to begin at all
	fleetPoll    = 200 * time.Millisecond
	peerMetric   = 1000 // of routes to peers
)

// fleet is many real daemons on virtual hosts of this machine, one network.
type fleet struct {
	t *testing.T
	*cluster.Cluster
}

// Many daemons start at once, another one joins, and nobody has anything to send. There are as many as the machine's CPUs can start, a
// hundred at most, or as many as WEFT_SOAK_NODES says.
func TestSoakManyDaemons(t *testing.T) {
	size := fleetNodes(t)
	f := &fleet{t, newClusterOf(t, cluster.Options{Hosts: size + 1})}
	late := f.Nodes[size]
	f.introduce()

	began := time.Now()
	for _, n := range f.Nodes[:size] {
		f.up(n)
	}
	t.Logf("%d daemons were started within %v", size, time.Since(began).Round(time.Millisecond))
	f.awaitRoutes("cold start", f.Nodes[:size], size-1, began)

	began = time.Now()
	f.up(late)
	f.awaitRoutes("one more joins", f.Nodes[:size], size, began)
	f.awaitRoutes("it routes to all", []*cluster.Node{late}, size, began)

	f.pass(fleetSettles)
	f.rest()
}

// fleetNodes is how many daemons to start. The test is skipped where nobody asked for it, or memory does not suffice.
func fleetNodes(t *testing.T) int {
	t.Helper()
	if os.Getenv("WEFT_SOAK") == "" {
		t.Skip("WEFT_SOAK is not set")
	}
	size := min(fleetMost, fleetForCPU*runtime.NumCPU())
	if text := os.Getenv("WEFT_SOAK_NODES"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 2 || n > 200 {
			t.Fatalf("WEFT_SOAK_NODES=%s: want 2 to 200", text)
		}
		size = n
	}
	if has := kilobytes(t, "/proc/meminfo", "MemAvailable") << 10; has < size*fleetNeeds {
		t.Skipf("%d MiB of memory are available, %d daemons want %d", has>>20, size, size*fleetNeeds>>20)
	}
	return size
}

// introduce tells each host the others' Ethernet addresses. All namespaces of a machine share one table of neighbours, which holds 1024
// that the kernel found out itself (gc_thresh3 in arp(7)); beyond that it refuses to send, with ENOBUFS. Permanent ones do not count.
func (f *fleet) introduce() {
	f.t.Helper()
	for _, n := range f.Nodes {
		err := n.Do(func() error {
			link, err := netlink.LinkByName("eth0")
			if err != nil {
				return err
			}
			for _, other := range f.Nodes {
				if other == n {
					continue
				}
				for _, addr := range other.Addrs() {
					neighbour := &netlink.Neigh{LinkIndex: link.Attrs().Index, State: netlink.NUD_PERMANENT, IP: addr.AsSlice(), HardwareAddr: other.MAC()}
					if err := netlink.NeighSet(neighbour); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			f.t.Fatal(err)
		}
	}
}

func (f *fleet) up(n *cluster.Node) {
	f.t.Helper()
	if err := n.Up(); err != nil {
		f.t.Fatal(err)
	}
}

// awaitRoutes waits until each of the nodes has routes to that many others, and says how long after began the first, the middle and the
// last had them. There are routes to those peers alone to which a path works.
func (f *fleet) awaitRoutes(what string, nodes []*cluster.Node, others int, began time.Time) {
	f.t.Helper()
	ctx := within(f.t, fleetWithin)
	tick := time.NewTicker(fleetPoll)
	defer tick.Stop()
	var done []time.Duration
	for pending := nodes; len(pending) > 0; {
		var open []*cluster.Node
		for _, n := range pending {
			if f.routes(n) < others {
				open = append(open, n)
				continue
			}
			done = append(done, time.Since(began))
		}
		pending = open
		select {
		case <-tick.C:
		case <-ctx.Done():
			f.t.Fatalf("%s: %d of %d nodes lack routes: %s has %d of %d", what, len(pending), len(nodes), pending[0].Name(), f.routes(pending[0]), others)
		}
	}
	round := func(d time.Duration) time.Duration { return d.Round(100 * time.Millisecond) }
	f.t.Logf("%s: %d routes: the first node after %v, half of them after %v, all after %v", what, others, round(done[0]), round(done[len(done)/2]), round(done[len(done)-1]))
	f.t.Logf("%s: a daemon has used %v of a CPU so far (mean)", what, f.used().Round(time.Millisecond))
}

// used is the mean of what the threads of the daemons that run have been running.
func (f *fleet) used() time.Duration {
	var sum, running time.Duration
	for _, n := range f.Nodes {
		if n.Running() {
			sum += f.ran(n)
			running++
		}
	}
	return sum / running
}

// routes counts the kernel's IPv4 routes to peers on a host.
func (f *fleet) routes(n *cluster.Node) int {
	f.t.Helper()
	count := 0
	err := n.Do(func() error {
		list, err := netlink.RouteList(nil, netlink.FAMILY_V4)
		for _, r := range list {
			if r.Priority == peerMetric {
				count++
			}
		}
		return err
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return count
}

// pass lets time pass.
func (f *fleet) pass(d time.Duration) {
	f.t.Helper()
	select {
	case <-time.After(d):
	case <-interrupted.Done():
		f.t.Fatal("interrupted")
	}
}

// rest measures what the daemons use when there is nothing to do.
func (f *fleet) rest() {
	f.t.Helper()
	began, ran, wire := time.Now(), f.ranEach(), f.wire()
	f.pass(fleetRests)
	took, ranLater, wireLater := time.Since(began).Seconds(), f.ranEach(), f.wire()
	var cpu, sent, received, packets, memory []float64
	for i, n := range f.Nodes {
		a, b := wire[n.Port()], wireLater[n.Port()]
		cpu = append(cpu, 100*(ranLater[i]-ran[i]).Seconds()/took)
		sent = append(sent, float64(b.RX.Bytes-a.RX.Bytes)/took) // by the host: the other end of its cable receives it
		received = append(received, float64(b.TX.Bytes-a.TX.Bytes)/took)
		packets = append(packets, float64(b.RX.Packets-a.RX.Packets)/took)
		memory = append(memory, float64(kilobytes(f.t, fmt.Sprintf("/proc/%d/status", n.Daemon().PID()), "VmRSS"))/1024)
	}
	f.t.Logf("at rest, each of %d daemons (least, median, most): CPU %s %% of a core; sent %s B/s in %s packets/s; received %s B/s; resident %s MiB",
		len(f.Nodes), spread(cpu), spread(sent), spread(packets), spread(received), spread(memory))
	slices.Sort(sent)
	if median := sent[len(sent)/2]; median > fleetSent {
		f.t.Errorf("a host at rest sends %.0f bytes a second (median), want at most %d", median, fleetSent)
	}
	if most := slices.Max(memory); most > fleetMemory>>20 {
		f.t.Errorf("a daemon has %.0f MiB of memory, want at most %d", most, fleetMemory>>20)
	}
}

// spread is the least, the median and the largest of some values.
func spread(values []float64) string {
	slices.Sort(values)
	return fmt.Sprintf("%.2f, %.2f, %.2f", values[0], values[len(values)/2], values[len(values)-1])
}

// ran is how long the threads of a daemon have been running: the first number of their schedstat, in nanoseconds
// (Documentation/scheduler/sched-stats.rst).
func (f *fleet) ran(n *cluster.Node) (sum time.Duration) {
	f.t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", n.Daemon().PID()))
	if err != nil || len(files) == 0 {
		f.t.Fatalf("%s has no schedstat: %v", n.Name(), err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			continue // a thread that ended
		}
		var ns time.Duration
		if _, err := fmt.Sscan(string(raw), &ns); err != nil {
			f.t.Fatalf("%s: %v", file, err)
		}
		sum += ns
	}
	return sum
}

// ranEach is ran of all daemons.
func (f *fleet) ranEach() (list []time.Duration) {
	f.t.Helper()
	for _, n := range f.Nodes {
		list = append(list, f.ran(n))
	}
	return list
}

// cable is what the switch's end of a host's cable has counted, with Ethernet headers.
type cable struct {
	RX, TX struct{ Bytes, Packets uint64 }
}

// wire reads the counters of all hosts' cables, by the port of the switch.
func (f *fleet) wire() map[string]cable {
	f.t.Helper()
	text, err := f.Switch().Run(within(f.t, patience), "ip", "-j", "-s", "link")
	if err != nil {
		f.t.Fatal(err)
	}
	var ports []struct {
		Name  string `json:"ifname"`
		Stats cable  `json:"stats64"`
	}
	if err := json.Unmarshal([]byte(text), &ports); err != nil {
		f.t.Fatal(err)
	}
	cables := map[string]cable{}
	for _, p := range ports {
		cables[p.Name] = p.Stats
	}
	return cables
}

// kilobytes reads a line of a file of /proc such as "VmRSS:  123 kB".
func kilobytes(t *testing.T, file, name string) int {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			kb, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
			if err != nil {
				t.Fatalf("%s: %q: %v", file, line, err)
			}
			return kb
		}
	}
	t.Fatalf("%s has no %s", file, name)
	return 0
}
