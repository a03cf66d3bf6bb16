package measure

import (
	"context"
	"errors"
	"maps"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/lab"
)

// details are what must stand beside the readings of a measure that has details of its own.
var details = map[string][]string{
	"tcp1": {DetailRetransmits}, "tcp4": {DetailRetransmits}, "tcp16": {DetailRetransmits}, "tcp-both": {DetailRetransmits, "up", "down"},
	"tcp1-host": {DetailRetransmits}, "udp-gso": {DetailDrops, DetailLoss, DetailOffered, senderBound},
	"udp64": {DetailDrops, DetailLoss, DetailOffered, senderBound}, "rr-tcp": {"samples"}, "rr-udp": {"samples", DetailLost},
	"rr-tcp-load": {DetailLoad, DetailRetransmits}, "rr-udp-load": {DetailLoad, DetailLost}, "conns": {"failed"},
	"memory": {"rss", "largest"}, "restart": {"survived"},
}

func TestEveryMeasureGivesItsFigures(t *testing.T) {
	needIperf(t)
	target, _ := testTarget(t, lab.Options{})
	testRouter(t, &target)
	target.Restart = func(context.Context) error { return nil }
	for _, m := range All() {
		t.Run(m.ID(), func(t *testing.T) {
			readings, err := m.Run(soon(t), target, short)
			if err != nil {
				if errors.Is(err, errLoadEnded) || strings.Contains(err.Error(), "no rate had a loss below") {
					t.Skip("the machine is too busy: ", err)
				}
				t.Fatal(err)
			}
			assertReadings(t, m, readings)
		})
	}
}

// assertReadings checks that each metric has one figure above zero, and its details. A router that sleeps uses no time.
func assertReadings(t *testing.T, m Measure, readings []Reading) {
	t.Helper()
	var got []string
	for _, r := range readings {
		got = append(got, r.Metric)
		if r.Value <= 0 && r.Metric != cpuRouter && r.Metric != "cpu-idle" {
			t.Errorf("%s = %v", r.Metric, r.Value)
		}
	}
	var want []string
	for _, metric := range m.Metrics() {
		if !strings.HasSuffix(metric.ID, "-p999") { // of longer series only
			want = append(want, metric.ID)
		}
	}
	if !slices.Equal(got, want) {
		t.Fatalf("readings %v, want %v", got, want)
	}
	for _, name := range details[m.ID()] {
		if _, known := readings[0].Detail[name]; !known {
			t.Errorf("no %s among %v", name, slices.Sorted(maps.Keys(readings[0].Detail)))
		}
	}
}

func TestPercentilesAreInOrderAndInSeconds(t *testing.T) {
	target, _ := testTarget(t, lab.Options{})
	long := short
	long.Latency = tail
	r, err := roundTrips{proto: "udp"}.Run(soon(t), target, long)
	if err != nil {
		t.Fatal(err)
	}
	if len(r) != 3 {
		t.Fatalf("%d percentiles of a series of %v, want 3", len(r), tail)
	}
	if r[0].Value > r[1].Value || r[1].Value > r[2].Value || r[2].Value > 1 {
		t.Errorf("p50, p99, p99.9 = %v, %v, %v s", r[0].Value, r[1].Value, r[2].Value)
	}
}

func TestMTUIsThatOfThePathAndNotOfTheInterface(t *testing.T) {
	target, _ := testTarget(t, lab.Options{MTU: 9000})
	for _, n := range target.Spaces[:2] {
		if _, err := n.Run(soon(t), "ip", "link", "set", "eth0", "mtu", "4321"); err != nil {
			t.Fatal(err)
		}
	}
	r, err := pathMTU{}.Run(soon(t), target, short)
	if err != nil || len(r) != 1 || r[0].Value != 4321 {
		t.Errorf("%v, %v; want 4321", r, err)
	}
}

func TestGapOfARestartIsThatOfTheStream(t *testing.T) {
	target, l := testTarget(t, lab.Options{})
	const cut = 300 * time.Millisecond
	host := l.Hosts()[1]
	target.Restart = func(ctx context.Context) error {
		if err := host.Isolate(); err != nil {
			return err
		}
		if err := pause(ctx, cut); err != nil {
			return err
		}
		return host.Rejoin()
	}
	r, err := restart{}.Run(soon(t), target, short)
	if err != nil {
		t.Fatal(err)
	}
	if r[0].Value < cut.Seconds() || r[0].Detail["survived"] != 1 {
		t.Errorf("gap %v s, %v; the path was cut for %v", r[0].Value, r[0].Detail, cut)
	}
}

func TestSubjectsWithoutRoutersHaveNoReadingOfMemoryAndRestart(t *testing.T) {
	for _, m := range []Measure{memory{}, restart{}} {
		if r, err := m.Run(t.Context(), Target{}, short); err != nil || r != nil {
			t.Errorf("%s: %v, %v", m.ID(), r, err)
		}
	}
}

func TestMemoryOfARouterThatEndedIsAnError(t *testing.T) {
	needIperf(t)
	target, _ := testTarget(t, lab.Options{})
	p := testRouter(t, &target)
	p.Kill()
	<-p.Done()
	if r, err := (memory{}).Run(soon(t), target, short); err == nil {
		t.Errorf("a dead router has %v", r)
	}
	if r, err := (bulk{streams: 4, cpu: true}).Run(soon(t), target, short); err == nil {
		t.Errorf("a dead router has %v", r)
	}
}

func TestPeakBeginsAnewAfterItWasRead(t *testing.T) {
	runtime.GC()
	big := make([]byte, 64<<20)
	for i := range len(big) / 4096 {
		big[i*4096] = 1
	}
	high, _, err := resident(os.Getpid())
	if err != nil || high < uint64(len(big)) {
		t.Fatalf("peak %d, %v", high, err)
	}
	runtime.KeepAlive(big)
	big = nil
	debug.FreeOSMemory()
	if err := forgetPeak(os.Getpid()); err != nil {
		t.Fatal(err)
	}
	if peak, _, err := resident(os.Getpid()); err != nil || peak > high-32<<20 {
		t.Errorf("peak %d, %v after %d was forgotten", peak, err, high)
	}
}

func TestDatagramsThatDoNotFitAPacketAreRefused(t *testing.T) {
	for _, c := range []struct {
		measure Measure
		mtu     int
		need    string
	}{{packets{payload: 1350}, 1377, "1378"}, {trains{}, 1227, "1228"}} {
		_, err := c.measure.Run(t.Context(), Target{MTU: c.mtu}, short)
		if err == nil || !strings.Contains(err.Error(), c.need) || !strings.Contains(err.Error(), c.measure.ID()) {
			t.Errorf("%s in an MTU of %d: %v", c.measure.ID(), c.mtu, err)
		}
	}
}

func TestSubjectsWithoutPodsHaveNoReadingBetweenTheirHosts(t *testing.T) {
	target := Target{MTU: 1500}
	if r, err := (bulk{streams: 1, hosts: true}).Run(t.Context(), target, short); err != nil || r != nil {
		t.Errorf("%v, %v", r, err)
	}
}

func TestNothingIsLeftWhenAMeasureIsInterrupted(t *testing.T) {
	target, _ := testTarget(t, lab.Options{})
	target.Restart = func(context.Context) error { return nil }
	ctx, cancel := context.WithCancel(soon(t))
	cancel()
	for _, m := range All() {
		if r, err := m.Run(ctx, target, short); m.ID() != "memory" && m.ID() != "idle" && (err == nil || r != nil) {
			t.Errorf("%s: %v, %v", m.ID(), r, err)
		}
	}
}
