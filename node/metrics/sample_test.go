package metrics

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weftnet/weft/node/api"
)

// sampleTime is when everything in a sample happened.
var sampleTime = time.Unix(1_790_000_000, 0)

// sample is the state of a node where every family has something to show, with that many peers that are up.
func sample(peers int) *api.Status {
	drops := uint64(7)
	s := &api.Status{Node: api.Node{
		Name: "vm-1", ID: strings.Repeat("ab", 32), Version: "v1.2.3", Started: sampleTime, Encryption: "on",
		Device:   api.Device{Name: "weft0", Driver: "super", MTU: 1440},
		Socket:   api.Socket{ReceiveBuffer: 4 << 20, SendBuffer: 2 << 20, Overflow: 5},
		Degraded: []api.Note{{What: "driver"}, {What: "gso"}},
		Drops:    map[string]uint64{"no-route": 3, "auth-failed": 4},
		Sent:     api.Traffic{Packets: 10, Bytes: 1000}, Received: api.Traffic{Packets: 20, Bytes: 2000},
		Relayed:    api.Traffic{Packets: 5, Bytes: 500},
		Handshakes: api.Handshakes{Answered: 6, Cookies: 8}, Gossip: api.Gossip{Refused: 9},
		Subnets: []netip.Prefix{netip.MustParsePrefix("10.244.1.0/24")},
		Routes:  []api.Behind{{Role: api.RoleActive}, {Role: api.RoleStandby}, {Role: api.RoleStandby}},
		Seeds:   []api.Seed{{Address: "vm-2", State: api.SeedJoined}, {Address: "vm-3", State: "refused"}},
		Trust:   api.Trust{Certificate: &api.Certificate{NotAfter: sampleTime}, Revoked: 2, Banned: 1, Refused: 3},
		Members: api.Members{Known: peers + 3, Alive: peers, Left: 1}, Claims: peers + 1, Config: api.ConfigState{Loaded: sampleTime},
		Secrets: []api.Secret{{ID: "5ec72947", First: true, Since: sampleTime}}, KeySince: sampleTime,
	}}
	s.Node.Pods = api.Pods{Leased: true, Held: 3, Quarantined: 1, Vanished: 2, Guard: "on", Subnets: []api.PodSubnet{
		{Subnet: netip.MustParsePrefix("10.244.1.0/24"), Capacity: 253}, {Subnet: netip.MustParsePrefix("fd10:244:0:1::/64"), Capacity: 1<<53 - 1},
	}, Former: []api.FormerSubnet{{Subnet: netip.MustParsePrefix("10.244.9.0/24"), Pods: 2, Claimed: true}}}
	s.Node.FastPath = api.FastPath{
		Lanes: 2, PerLane: []api.Lane{{Lane: 0}, {Lane: 1}},
		LaneTotals: api.LaneTotals{PacketsOut: 10, PacketsIn: 20, Written: 5},
		Queue:      &api.Queues{SuperpacketsRead: 2, SegmentsRead: 10, KernelDrops: &drops},
	}
	for i := range peers {
		s.Peers = append(s.Peers, samplePeer(i))
	}
	return s
}

func samplePeer(i int) api.Peer {
	loss := 0.125
	return api.Peer{
		Name: fmt.Sprint("vm-", i+2), ID: fmt.Sprintf("%064x", i), State: api.StateUp, Path: "udp", Endpoint: "192.0.2.11:9338", Cipher: "aes-256-gcm",
		RTT: 1500, Loss: &loss, MTU: 1440, Sent: api.Traffic{Packets: 1, Bytes: 100}, Received: api.Traffic{Packets: 2, Bytes: 200},
		Session: true, Handshakes: 3, Rekeys: 2, LastHandshake: sampleTime,
	}
}

// scrape is what a pedantic registry gathers of a state: it refuses what is inconsistent, given twice or not described.
func scrape(t testing.TB, s *api.Status) map[string]*dto.MetricFamily {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	if err := r.Register(NewCollector(func() (*api.Status, error) { return s, nil })); err != nil {
		t.Fatal(err)
	}
	list, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]*dto.MetricFamily{}
	for _, f := range list {
		byName[f.GetName()] = f
	}
	return byName
}

// value is the only sample of a family with these labels; labels are name and value in turn.
func value(t testing.TB, families map[string]*dto.MetricFamily, name string, labels ...string) float64 {
	t.Helper()
	var found []float64
	for _, m := range families[name].GetMetric() {
		if has(m, labels) {
			found = append(found, m.GetCounter().GetValue()+m.GetGauge().GetValue()) // one of them is there
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d samples of %s with %v", len(found), name, labels)
	}
	return found[0]
}

func has(m *dto.Metric, labels []string) bool {
	all := labelsOf(m)
	for i := 0; i+1 < len(labels); i += 2 {
		if all[labels[i]] != labels[i+1] {
			return false
		}
	}
	return true
}

func labelsOf(m *dto.Metric) map[string]string {
	all := map[string]string{}
	for _, l := range m.GetLabel() {
		all[l.GetName()] = l.GetValue()
	}
	return all
}

func series(families map[string]*dto.MetricFamily) (n int) {
	for _, f := range families {
		n += len(f.GetMetric())
	}
	return n
}
