package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/weftnet/weft/lab/cluster"
	"github.com/weftnet/weft/node/api"
)

const defaultMetrics = "127.0.0.1:9339"

// browser is an HTTP client on a host.
func browser(place interface{ Do(func() error) error }) *http.Client {
	dial := func(ctx context.Context, network, address string) (conn net.Conn, err error) {
		err = place.Do(func() (err error) {
			conn, err = new(net.Dialer).DialContext(ctx, network, address)
			return err
		})
		return conn, err
	}
	return &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
}

// fetch gets a page on a host.
func fetch(t *testing.T, n *cluster.Node, url string) (*http.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(within(t, patience), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := browser(n).Do(req)
	if err == nil {
		t.Cleanup(func() { resp.Body.Close() })
	}
	return resp, err
}

// scraped are a node's metrics, read as Prometheus reads them.
func scraped(t *testing.T, n *cluster.Node) map[string]*dto.MetricFamily {
	t.Helper()
	resp, err := fetch(t, n, "http://"+defaultMetrics+"/metrics")
	if err != nil {
		t.Fatal(err)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return families
}

// sampleOf is the value of a series; labels are name and value in turn.
func sampleOf(t *testing.T, families map[string]*dto.MetricFamily, name string, labels ...string) float64 {
	t.Helper()
	for _, m := range families[name].GetMetric() {
		all := map[string]string{}
		for _, l := range m.GetLabel() {
			all[l.GetName()] = l.GetValue()
		}
		matches := true
		for i := 0; i+1 < len(labels); i += 2 {
			matches = matches && all[labels[i]] == labels[i+1]
		}
		if matches {
			return m.GetCounter().GetValue() + m.GetGauge().GetValue() // one of them is there
		}
	}
	t.Fatalf("no %s%v", name, labels)
	return 0
}

// statusJSON is what the command prints.
func statusJSON(t *testing.T, n *cluster.Node) *api.Status {
	t.Helper()
	text, err := n.Weft(within(t, patience), "status", "--json", "--socket", n.Socket())
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	s := new(api.Status)
	if err := json.Unmarshal([]byte(text), s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestMetricsOfRunningDaemons(t *testing.T) {
	c := newCluster(t, 3)
	busy := holdPort(t, c.Nodes[1])
	for i, flags := range [][]string{{}, {}, {"--metrics", ""}} {
		if err := c.Nodes[i].Up(flags...); err != nil {
			t.Fatal(err)
		}
	}
	awaitAll(t, c)
	pingAll(t, pods(t, c))
	t.Run("agree with status", func(t *testing.T) { assertAgreement(t, c.Nodes[0]) })
	t.Run("are read by the commands of the document", func(t *testing.T) { runDocument(t, c.Nodes[0]) })
	t.Run("are where they are configured and nowhere else", func(t *testing.T) { assertOnlyLocal(t, c) })
	t.Run("come when the port is free", func(t *testing.T) { assertServedOnceFree(t, c.Nodes[1], busy) })
}

// assertAgreement scrapes between two looks at the status: counters must lie between theirs, and what does not move be equal.
func assertAgreement(t *testing.T, n *cluster.Node) {
	before, f, after := scrapedInPeace(t, n)
	between := func(of func(*api.Status) uint64, name string, labels ...string) {
		t.Helper()
		got := sampleOf(t, f, name, labels...)
		if low, high := float64(of(before)), float64(of(after)); got < low || got > high {
			t.Errorf("%s%v is %v; status says %v before and %v after", name, labels, got, low, high)
		}
	}
	between(func(s *api.Status) uint64 { return s.Node.Sent.Packets }, "weft_packets_total", "direction", "out")
	between(func(s *api.Status) uint64 { return s.Node.Received.Packets }, "weft_packets_total", "direction", "in")
	between(func(s *api.Status) uint64 { return s.Node.Sent.Bytes }, "weft_bytes_total", "direction", "out")
	between(func(s *api.Status) uint64 { return s.Node.Received.Bytes }, "weft_bytes_total", "direction", "in")
	between(func(s *api.Status) uint64 { return s.Node.FastPath.FramesIn }, "weft_lane_frames_total", "lane", "0", "direction", "in")
	between(func(s *api.Status) uint64 { return s.Node.FastPath.SendCalls }, "weft_lane_calls_total", "lane", "0", "direction", "out")
	between(func(s *api.Status) uint64 { return s.Node.FastPath.Queue.SegmentsRead }, "weft_segments_total", "direction", "out")
	between(func(s *api.Status) uint64 { return s.Node.Streams.Accepted }, "weft_streams_total", "outcome", "accepted")
	for _, reason := range []string{"multicast", "no-route", "auth-failed"} {
		direction := map[bool]string{true: "in", false: "out"}[reason == "auth-failed"]
		between(func(s *api.Status) uint64 { return s.Node.Drops[reason] }, "weft_drops_total", "reason", reason, "direction", direction)
	}
	if sampleOf(t, f, "weft_packets_total", "direction", "out") == 0 || sampleOf(t, f, "weft_lane_frames_total", "direction", "in") == 0 {
		t.Error("pings have crossed, and nothing was counted")
	}
	assertPeersAgree(t, f, before, after)
	for name, want := range map[string]int{
		"weft_device_mtu_bytes": after.Node.Device.MTU, "weft_subnets": len(after.Node.Subnets), "weft_conflicts": 0, "weft_lanes": after.Node.FastPath.Lanes,
		"weft_claims": 3, "weft_sessions": 2, "weft_problems": len(after.Node.Degraded),
	} {
		if got := sampleOf(t, f, name); got != float64(want) {
			t.Errorf("%s = %v, want %d", name, got, want)
		}
	}
	if got := sampleOf(t, f, "weft_members", "state", "alive"); got != 2 {
		t.Errorf("%v members are alive", got)
	}
}

// scrapedInPeace scrapes between two looks at the status between which no path changed, as one may on a machine that has no time.
func scrapedInPeace(t *testing.T, n *cluster.Node) (before *api.Status, f map[string]*dto.MetricFamily, after *api.Status) {
	t.Helper()
	same := func(p, q api.Peer) bool {
		return p.State == q.State && p.Path == q.Path && p.Via == q.Via && p.MTU == q.MTU
	}
	await(t, func() (bool, string) {
		before, f, after = statusJSON(t, n), scraped(t, n), statusJSON(t, n)
		return slices.EqualFunc(before.Peers, after.Peers, same) && len(before.Node.Degraded) == len(after.Node.Degraded), "paths change all the time"
	})
	return before, f, after
}

func assertPeersAgree(t *testing.T, f map[string]*dto.MetricFamily, before, after *api.Status) {
	t.Helper()
	for i, p := range after.Peers {
		old, labels := before.Peers[i], []string{"peer", p.Name, "id", p.ID}
		for _, c := range []struct {
			name, direction string
			low, high       uint64
		}{
			{"weft_peer_packets_total", "out", old.Sent.Packets, p.Sent.Packets}, {"weft_peer_packets_total", "in", old.Received.Packets, p.Received.Packets},
			{"weft_peer_bytes_total", "out", old.Sent.Bytes, p.Sent.Bytes}, {"weft_peer_bytes_total", "in", old.Received.Bytes, p.Received.Bytes},
		} {
			got := sampleOf(t, f, c.name, append(labels, "direction", c.direction)...)
			if got < float64(c.low) || got > float64(c.high) || got == 0 {
				t.Errorf("%s %s to %s is %v; status says %d before and %d after", c.name, c.direction, p.Name, got, c.low, c.high)
			}
		}
		if got := sampleOf(t, f, "weft_peer_path", append(labels, "path", p.Path)...); got != 1 {
			t.Errorf("%s is reached by %s, and the metric of that is %v", p.Name, p.Path, got)
		}
		if got := sampleOf(t, f, "weft_peer_mtu_bytes", labels...); got != float64(p.MTU) {
			t.Errorf("MTU to %s is %v, and status says %d", p.Name, got, p.MTU)
		}
		if sampleOf(t, f, "weft_peer_handshakes_total", labels...) == 0 || sampleOf(t, f, "weft_peer_rtt_seconds", labels...) <= 0 {
			t.Errorf("no handshake with %s, or no round trip", p.Name)
		}
	}
}

// runDocument runs what docs/metrics.md tells the reader to run on a host.
func runDocument(t *testing.T, n *cluster.Node) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("curl is not installed: run scripts/setup.sh")
	}
	list := blocks(t, "docs/metrics.md")
	if len(list) == 0 {
		t.Fatal("docs/metrics.md has nothing to run")
	}
	for _, b := range list {
		out, err := n.Run(within(t, patience), "bash", "-c", "set -euo pipefail\n"+b.script)
		if err != nil || !strings.Contains(out, "weft_peer_path{") || !strings.Contains(out, "ok\n") {
			t.Errorf("%v\n%s\n%s", err, b.script, out)
		}
	}
}

// assertOnlyLocal looks for the metrics where they must not be: at other addresses of the host, and on a node that is to have
// none.
func assertOnlyLocal(t *testing.T, c *cluster.Cluster) {
	first, third := c.Nodes[0], c.Nodes[2]
	if resp, err := fetch(t, first, "http://"+defaultMetrics+"/healthz"); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("healthz: %v %v", resp, err)
	}
	elsewhere := append(slices.Clone(first.Addrs()), status(t, first).Node.Addresses...)
	for _, from := range []*cluster.Node{first, third} {
		for _, addr := range elsewhere {
			at := netip.AddrPortFrom(addr, 9339)
			if resp, err := fetch(t, from, fmt.Sprintf("http://%s/metrics", at)); err == nil {
				t.Errorf("%s gets metrics at %s: %s", from.Name(), at, resp.Status)
			}
		}
	}
	if _, err := fetch(t, third, "http://"+defaultMetrics+"/metrics"); err == nil {
		t.Error("a node that is to have no metrics has some")
	}
}

// holdPort takes the address of the metrics on a host.
func holdPort(t *testing.T, n *cluster.Node) net.Listener {
	t.Helper()
	var l net.Listener
	err := n.Do(func() (err error) {
		l, err = net.Listen("tcp", defaultMetrics)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func assertServedOnceFree(t *testing.T, n *cluster.Node, busy net.Listener) {
	missing := func(s *api.Status) bool {
		return slices.ContainsFunc(s.Node.Degraded, func(d api.Note) bool {
			return d.What == "metrics" && strings.Contains(d.Reason, defaultMetrics) && strings.Contains(d.Reason, "in use")
		})
	}
	if s := status(t, n); !missing(s) {
		t.Errorf("the port is taken, and it says %+v", s.Node.Degraded)
	}
	busy.Close()
	err := n.AwaitStatus(within(t, patience), func(s *api.Status) (bool, string) { return !missing(s), "it still says that the port is taken" })
	if err != nil {
		t.Fatal(err)
	}
	if got := sampleOf(t, scraped(t, n), "weft_node_info", "name", n.Name()); got != 1 {
		t.Errorf("got %v", got)
	}
	said, err := n.Daemon().Stderr()
	if got := strings.Count(said, "node.metrics.unavailable"); err != nil || got != 1 {
		t.Errorf("it was said %d times, %v", got, err)
	}
}
