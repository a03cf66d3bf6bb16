package metrics

import (
	"maps"
	"net/http"
	"slices"
	"testing"

	dto "github.com/prometheus/client_model/go"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/router"
)

func TestAScrapeHasEveryFamilyAndNoOther(t *testing.T) {
	var want []string
	for _, f := range Families() {
		want = append(want, f.Name)
	}
	slices.Sort(want)
	got := slices.Sorted(maps.Keys(scrape(t, sample(1))))
	if !slices.Equal(got, want) {
		t.Errorf("a scrape has\n%q\nwant\n%q", got, want)
	}
}

func TestNamesTypesAndHelpsFollowTheRulesOfPrometheus(t *testing.T) {
	problems, err := promlint.NewWithMetricFamilies(slices.Collect(maps.Values(scrape(t, sample(1))))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestFiguresAreThoseOfTheState(t *testing.T) {
	f := scrape(t, sample(1))
	peer := []string{"peer", "vm-2", "id", samplePeer(0).ID}
	for _, c := range []struct {
		name   string
		labels []string
		want   float64
	}{
		{"weft_build_info", []string{"version", "v1.2.3"}, 1},
		{"weft_node_info", []string{"name", "vm-1", "driver", "super", "encryption", "on", "device", "weft0"}, 1},
		{"weft_start_time_seconds", nil, 1_790_000_000},
		{"weft_config_last_reload_successful", nil, 1},
		{"weft_config_last_reload_success_timestamp_seconds", nil, 1_790_000_000},
		{"weft_problem", []string{"what", "driver"}, 1},
		{"weft_problems", nil, 2},
		{"weft_packets_total", []string{"direction", "in"}, 20},
		{"weft_bytes_total", []string{"direction", "out"}, 1000},
		{"weft_drops_total", []string{"reason", "no-route", "direction", "out"}, 3},
		{"weft_drops_total", []string{"reason", "auth-failed", "direction", "in"}, 4},
		{"weft_superpackets_total", []string{"direction", "out"}, 2},
		{"weft_superpackets_total", []string{"direction", "in"}, 5},
		{"weft_segments_total", []string{"direction", "out"}, 10},
		{"weft_segments_total", []string{"direction", "in"}, 20},
		{"weft_device_queue_drops_total", nil, 7},
		{"weft_device_mtu_bytes", nil, 1440},
		{"weft_socket_overflow_total", nil, 5},
		{"weft_socket_buffer_bytes", []string{"direction", "in"}, 4 << 20},
		{"weft_lanes", nil, 2},
		{"weft_members", []string{"state", "alive"}, 1},
		{"weft_members", []string{"state", "left"}, 1},
		{"weft_members", []string{"state", "dead"}, 2},
		{"weft_claims", nil, 2},
		{"weft_subnets", nil, 1},
		{"weft_routes", []string{"role", "active"}, 1},
		{"weft_routes", []string{"role", "standby"}, 2},
		{"weft_routes", []string{"role", "refused"}, 0},
		{"weft_seeds", []string{"state", "joined"}, 1},
		{"weft_seeds", []string{"state", "failing"}, 1},
		{"weft_sessions", nil, 1},
		{"weft_initiations_total", []string{"outcome", "answered"}, 6},
		{"weft_initiations_total", []string{"outcome", "cookie"}, 8},
		{"weft_gossip_refused_total", nil, 9},
		{"weft_peer_info", append(peer, "endpoint", "192.0.2.11:9338", "cipher", "aes-256-gcm"), 1},
		{"weft_peer_packets_total", append(peer, "direction", "out"), 1},
		{"weft_peer_bytes_total", append(peer, "direction", "in"), 200},
		{"weft_peer_rtt_seconds", peer, 0.0015},
		{"weft_peer_loss_ratio", peer, 0.125},
		{"weft_peer_mtu_bytes", peer, 1440},
		{"weft_peer_away", peer, 0},
		{"weft_peer_handshakes_total", peer, 3},
		{"weft_peer_rekeys_total", peer, 2},
		{"weft_peer_last_handshake_timestamp_seconds", peer, 1_790_000_000},
	} {
		if got := value(t, f, c.name, c.labels...); got != c.want {
			t.Errorf("%s%v = %v, want %v", c.name, c.labels, got, c.want)
		}
	}
}

func TestEachLaneHasItsOwnFigures(t *testing.T) {
	s := sample(0)
	s.Node.FastPath.PerLane[1].LaneTotals = api.LaneTotals{
		PacketsOut: 1, FramesIn: 2, SendCalls: 3, Receives: 4, MessagesOut: 5, MessagesIn: 6, Resent: 7, Misdirected: 8, Spins: 9, Waits: 10,
	}
	f := scrape(t, s)
	for name, want := range map[string][]float64{
		"weft_lane_frames_total": {1, 2}, "weft_lane_calls_total": {3, 4}, "weft_lane_messages_total": {5, 6},
	} {
		for i, direction := range []string{"out", "in"} {
			if got := value(t, f, name, "lane", "1", "direction", direction); got != want[i] {
				t.Errorf("%s %s = %v, want %v", name, direction, got, want[i])
			}
		}
	}
	for name, want := range map[string]float64{
		"weft_lane_frames_resent_total": 7, "weft_lane_frames_misdirected_total": 8, "weft_lane_spins_total": 9, "weft_lane_waits_total": 10,
	} {
		if got := value(t, f, name, "lane", "1"); got != want {
			t.Errorf("%s = %v, want %v", name, got, want)
		}
		if got := value(t, f, name, "lane", "0"); got != 0 {
			t.Errorf("%s of lane 0 = %v", name, got)
		}
	}
}

func TestEveryDropReasonIsThereFromTheStart(t *testing.T) {
	f := scrape(t, &api.Status{})["weft_drops_total"]
	if got, want := len(f.GetMetric()), len(router.Reasons()); got != want {
		t.Errorf("%d series, want one for each of %d reasons", got, want)
	}
	for _, m := range f.GetMetric() {
		if m.GetCounter().GetValue() != 0 {
			t.Errorf("%v", m)
		}
	}
}

func TestAPathIsExactlyOneOfThree(t *testing.T) {
	for _, c := range []struct{ state, path, want string }{
		{api.StateUp, "udp", "udp"}, {api.StateUp, "relay", "relay"},
		{api.StateDown, "none", "down"}, {api.StateAway, "none", "down"}, {api.StateUnknown, "none", "down"},
	} {
		s := sample(1)
		s.Peers[0].State, s.Peers[0].Path = c.state, c.path
		f := scrape(t, s)
		for _, path := range []string{"udp", "relay", "down"} {
			if got := value(t, f, "weft_peer_path", "path", path); got != truth(path == c.want) {
				t.Errorf("%s over %s: path %s is %v", c.state, c.path, path, got)
			}
		}
		if got := value(t, f, "weft_peer_away"); got != truth(c.state == api.StateAway) {
			t.Errorf("%s: away is %v", c.state, got)
		}
	}
}

func TestWhatIsNotKnownHasNoSeries(t *testing.T) {
	s := sample(1)
	s.Peers[0] = api.Peer{Name: "vm-2", ID: "00", State: api.StateDown, Path: "none", MTU: 1440}
	s.Node.FastPath.Queue, s.Node.Degraded = nil, nil
	f := scrape(t, s)
	for _, name := range []string{
		"weft_peer_rtt_seconds", "weft_peer_loss_ratio", "weft_peer_mtu_bytes", "weft_peer_last_handshake_timestamp_seconds", "weft_device_queue_drops_total", "weft_superpackets_cut_total", "weft_problem",
	} {
		if f[name] != nil {
			t.Errorf("%s is %v", name, f[name])
		}
	}
	if got := value(t, f, "weft_superpackets_total", "direction", "out"); got != 10 {
		t.Errorf("%v packets of a driver that does not count, want the 10 that were sent", got)
	}
	if got := value(t, f, "weft_problems"); got != 0 {
		t.Errorf("%v problems", got)
	}
}

// nodeSeries is how many series a node without peers has, with two lanes and two problems.
var nodeSeries = 96 + len(router.Reasons())

func TestSeriesAreBoundedWithManyPeers(t *testing.T) {
	for _, peers := range []int{0, 1, 500} {
		if got, want := series(scrape(t, sample(peers))), nodeSeries+peers*PerPeer; got != want {
			t.Errorf("%d series with %d peers, want %d", got, peers, want)
		}
	}
}

func TestWhatPeersCallThemselvesDoesNotSpoilAScrape(t *testing.T) {
	s := sample(0)
	names := []string{"same", "same", "bad \xff\xfe bytes", "new\nline", `quote " and \ slash`, ""}
	for i, name := range names {
		p := samplePeer(i)
		p.Name = name
		s.Peers = append(s.Peers, p)
	}
	s.Node.Degraded = append(s.Node.Degraded, api.Note{What: "gso", Reason: "the kernel cannot"}, api.Note{What: "\xff"})
	f := scrape(t, s)
	if got := len(f["weft_peer_info"].GetMetric()); got != len(names) {
		t.Errorf("%d peers, want %d", got, len(names))
	}
	if got := value(t, f, "weft_peer_info", "peer", "bad ? bytes"); got != 1 {
		t.Errorf("got %v", got)
	}
	if got := value(t, f, "weft_problems"); got != 3 {
		t.Errorf("%v problems, want 3: gso is one, though there are two notes of it", got)
	}
}

func TestCountersAreThoseWhoseNameSaysSo(t *testing.T) {
	f := scrape(t, sample(1))
	for _, family := range Families() {
		want := dto.MetricType_GAUGE
		if family.Type == Counter {
			want = dto.MetricType_COUNTER
		}
		if got := f[family.Name].GetType(); got != want {
			t.Errorf("%s is a %v, want a %v", family.Name, got, want)
		}
	}
}

func BenchmarkScrapeOf500Peers(b *testing.B) {
	s := sample(500)
	h := NewHandler(func() (*api.Status, error) { return s, nil }, well)
	for b.Loop() {
		if w := ask(h, http.MethodGet, "/metrics"); w.Code != http.StatusOK {
			b.Fatal(w.Code)
		}
	}
}
