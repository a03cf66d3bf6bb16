package node

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/node/cpu"
	"github.com/weftnet/weft/router"
	"github.com/weftnet/weft/tun"
)

func TestStatusSaysHowPacketsMove(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a, b := s.machine(1, func(c *config.Config) { c.Offload.Partial = encap.KnobOff }), s.machine(2)
		b.cpu = cpu.Share{CPUs: 1}
		a.start()
		b.start()
		within(t, 2*time.Second, "both route to both", joinedUp(a, b))
		for range 3 {
			within(t, 5*time.Second, "packets go through", func() bool { return a.carries(b) })
		}
		out, in := a.status().Node.FastPath, b.status().Node.FastPath
		if out.PacketsOut < 3 || out.SendCalls < 3 || out.FramesPerCallOut != 1 || out.SegmentsPerSuperpacketOut != 1 {
			t.Errorf("the sender says %+v", out)
		}
		if in.PacketsIn < 3 || in.Written < 3 || in.Receives == 0 || in.FramesPerCallIn < 1 || in.SegmentsPerSuperpacketIn != 1 {
			t.Errorf("the receiver says %+v", in)
		}
		if out.Lanes != 1 || len(out.PerLane) != 1 || out.PerLane[0].LaneTotals != out.LaneTotals || out.Polled || out.Queue != nil {
			t.Errorf("lanes %+v", out)
		}
		if out.Partial.State != "off" || in.Partial.State != "on" || out.Spin == 0 || in.Spin != 0 || in.CPUs != 1 || in.SpinWhy == "" {
			t.Errorf("sender %+v, receiver %+v", out, in)
		}
	})
}

// benchKeys are read by the bench.
var benchKeys = []string{"segments_per_superpacket_out", "segments_per_superpacket_in", "frames_per_call_out", "frames_per_call_in", "spins", "waits"}

func TestTheKeysThatTheBenchReadsAreThere(t *testing.T) {
	text, err := json.Marshal(api.Status{})
	must(t, err)
	var status struct {
		Node struct {
			FastPath map[string]any `json:"fastpath"`
		} `json:"node"`
	}
	must(t, json.Unmarshal(text, &status))
	for _, key := range benchKeys {
		if _, ok := status.Node.FastPath[key].(float64); !ok {
			t.Errorf("node.fastpath.%s is %v", key, status.Node.FastPath[key])
		}
	}
}

// countedDevice is a device with counters.
type countedDevice struct {
	*tun.Memory
	counters tun.Counters
	err      error
}

func (d *countedDevice) Counters() tun.Counters { return d.counters }
func (d *countedDevice) KernelDrops() (uint64, error) {
	return 9, d.err
}

func TestCountersGoOnWhenTheDeviceIsReplaced(t *testing.T) {
	var s state
	for range 3 {
		d := &countedDevice{Memory: tun.NewMemory("weft0", 1400)}
		d.counters.Read = tun.ReadCounters{Superpackets: 10, Segments: 400}
		d.counters.Written = tun.WriteCounters{Cut: 1, Refused: 2, Copied: 3}
		s.device(d, &tun.Choice{})
	}
	device, c := s.counted()
	q := queues(device.(tun.Counted), c)
	if q.SuperpacketsRead != 30 || q.SegmentsRead != 1200 || q.Cut != 3 || q.Refused != 6 || q.Copied != 9 || q.KernelDrops == nil || *q.KernelDrops != 9 {
		t.Errorf("%+v", q)
	}
	if q := queues(&countedDevice{err: tun.ErrGone}, c); q.KernelDrops != nil {
		t.Errorf("drops that are not known are %d", *q.KernelDrops)
	}
}

func TestTotalsAreThoseOfAllLanes(t *testing.T) {
	one := laneTotals(router.LaneStats{
		Packets: 1, Sends: 2, Messages: 3, Resent: 4, Frames: 5, Receives: 6, Datagrams: 7, Delivered: 8, Written: 9,
		Misdirected: 10, Spins: 11, Waits: 12,
	})
	want := api.LaneTotals{
		PacketsOut: 2, SendCalls: 4, MessagesOut: 6, Resent: 8, FramesIn: 10, Receives: 12, MessagesIn: 14, PacketsIn: 16, Written: 18,
		Misdirected: 20, Spins: 22, Waits: 24,
	}
	if got := sum(one, one); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// refuser is a port whose kernel refuses trains to some destinations.
type refuser struct {
	basePort
	mu      sync.Mutex // guards the rest
	refused []netip.AddrPort
	renewed int
}

func (r *refuser) Refusals() []netip.AddrPort {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.refused)
}

func (r *refuser) Renew() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refused = nil
	r.renewed++
}

func (r *refuser) refuse(at netip.AddrPort) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refused = append(r.refused, at)
}

func TestAPeerThatIsRefusedTrainsIsNamedUntilLinksChange(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a, b := s.machine(1), s.machine(2)
		port := &refuser{}
		a.listen = func(encap.UDPOptions) (encap.Port, error) {
			port.basePort = a.host.ListenUDP(config.DefaultPort)
			return port, nil
		}
		a.start()
		b.start()
		within(t, 2*time.Second, "both route to both", joinedUp(a, b))
		port.refuse(netip.AddrPortFrom(addrOf(2), config.DefaultPort))
		said := func() bool {
			n := a.status().Node
			return slices.ContainsFunc(n.Degraded, func(d api.Note) bool { return d.What == "gso" && strings.Contains(d.Reason, "node-2") }) &&
				len(n.FastPath.Refused) == 1 && n.FastPath.Refused[0].What == "node-2"
		}
		within(t, 5*time.Second, "it is said", said)
		a.kernel.notify()
		within(t, 5*time.Second, "it is forgotten", func() bool {
			n := a.status().Node
			return len(n.Degraded) == 0 && len(n.FastPath.Refused) == 0
		})
		port.mu.Lock()
		defer port.mu.Unlock()
		if port.renewed == 0 {
			t.Error("the port was not told")
		}
	})
}

func TestARefusalOfTrainsIsLoggedOnceUntilLinksChange(t *testing.T) {
	var log bytes.Buffer
	port := &refuser{basePort: &lanePort{}}
	n := &Node{port: port, log: slog.New(slog.NewTextHandler(&log, nil))}
	at := netip.AddrPortFrom(addrOf(2), config.DefaultPort)
	assertLogged := func(times int) {
		t.Helper()
		if got := strings.Count(log.String(), "node.gso.refused"); got != times {
			t.Errorf("logged %d times, want %d:\n%s", got, times, log.String())
		}
	}
	port.refuse(at)
	n.noteRefusedTrains([]router.PeerStatus{{Name: "b", Last: at}})
	n.noteRefusedTrains(nil)
	assertLogged(1)
	n.trains.renew(port)
	n.noteRefusedTrains(nil)
	assertLogged(1)
	port.refuse(at)
	n.noteRefusedTrains(nil)
	assertLogged(2)
}
