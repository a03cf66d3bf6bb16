package render

import (
	"math/rand/v2"
	"time"

	"github.com/weftnet/weft/bench/report"
)

// sampleSubjects have, in order of sampleMetrics, what an invented machine gives; 0: no such row.
var sampleSubjects = []struct {
	name, about string
	mtu         int
	figures     []float64
}{
	{"underlay", "the two hosts themselves, without an overlay", 1500, []float64{12.9e9, 31.2e9, 33.5e9, 17.1e9, 131e3, 128e3, 124e3,
		9.8e-6, 17e-6, 41e-6, 10.4e-6, 18e-6, 44e-6, 31e-6, 220e-6, 640e-6, 33e-6, 240e-6, 690e-6, 24.1e3, 0.46, 0, 0, 1500, 0}},
	{"host-gw", "routes only", 1500, []float64{11.5e9, 29.8e9, 31.1e9, 15.8e9, 114e3, 113e3, 109e3,
		11.2e-6, 19e-6, 46e-6, 11.9e-6, 20e-6, 48e-6, 36e-6, 260e-6, 720e-6, 38e-6, 270e-6, 760e-6, 21.7e3, 0.52, 0, 0, 1500, 0}},
	{"vxlan", "kernel VXLAN as Flannel sets it up", 1450, []float64{9.87e9, 24.1e9, 24.8e9, 12.6e9, 78.1e3, 77.4e3, 75.9e3,
		17.2e-6, 29e-6, 71e-6, 17.9e-6, 30e-6, 75e-6, 52e-6, 410e-6, 1.1e-3, 55e-6, 430e-6, 1.2e-3, 16.2e3, 0.66, 0, 0, 1450, 0}},
	{"weft-plain-clear", "weft, driver plain, not sealed", 1464, []float64{0.92e9, 0.88e9, 0.81e9, 0.84e9, 58.3e3, 57.1e3, 55.2e3,
		88e-6, 190e-6, 520e-6, 86e-6, 185e-6, 510e-6, 1.9e-3, 4.4e-3, 9.7e-3, 2.0e-3, 4.6e-3, 9.9e-3, 4.6e3, 10.9, 7.4, 21.8e6, 1464, 0.81}},
	{"weft-plain-sealed", "weft, driver plain, sealed", 1440, []float64{0.71e9, 0.69e9, 0.66e9, 0.67e9, 46.9e3, 45.3e3, 42.8e3,
		96e-6, 210e-6, 590e-6, 94e-6, 205e-6, 560e-6, 2.4e-3, 5.1e-3, 11.8e-3, 2.5e-3, 5.3e-3, 12.4e-3, 4.1e3, 14.3, 10.2, 22.4e6, 1440, 0.94}},
	{"weft-batch-clear", "weft, driver batch, not sealed", 1464, []float64{4.41e9, 4.67e9, 4.52e9, 4.38e9, 63.7e3, 62.5e3, 60.8e3,
		74e-6, 130e-6, 380e-6, 73e-6, 128e-6, 371e-6, 0.61e-3, 1.9e-3, 4.2e-3, 0.64e-3, 2.0e-3, 4.4e-3, 6.9e3, 2.41, 1.52, 27.3e6, 1464, 0.62}},
	{"weft-batch-sealed", "weft, driver batch, sealed", 1440, []float64{3.18e9, 3.29e9, 3.21e9, 3.11e9, 55.1e3, 54.2e3, 51.7e3,
		81e-6, 151e-6, 430e-6, 80e-6, 149e-6, 421e-6, 0.84e-3, 2.3e-3, 5.6e-3, 0.88e-3, 2.4e-3, 5.9e-3, 6.2e3, 3.36, 2.27, 28.1e6, 1440, 0.71}},
	{"wireguard-go", "wireguard-go of the module that weft links", 1420, []float64{2.11e9, 2.31e9, 2.27e9, 2.19e9, 38.4e3, 37.6e3, 36.1e3,
		208e-6, 420e-6, 980e-6, 204e-6, 411e-6, 960e-6, 1.3e-3, 3.9e-3, 8.8e-3, 1.4e-3, 4.1e-3, 9.1e-3, 3.3e3, 4.72, 3.6, 33.6e6, 1420, 0}},
}

// sampleMetrics are all metrics of a full run.
var sampleMetrics = []report.Metric{
	{ID: "tcp1", Title: "TCP, 1 stream", Unit: "bit/s", Better: report.Higher, Measure: "tcp1"},
	{ID: "tcp4", Title: "TCP, 4 streams", Unit: "bit/s", Better: report.Higher, Measure: "tcp4"},
	{ID: "tcp16", Title: "TCP, 16 streams", Unit: "bit/s", Better: report.Higher, Measure: "tcp16"},
	{ID: "tcp-both", Title: "TCP, both directions at once", Unit: "bit/s", Better: report.Higher, Measure: "tcp-both"},
	{ID: "udp64", Title: "UDP packets, 64 bytes of payload", Unit: "packets/s", Better: report.Higher, Measure: "udp64"},
	{ID: "udp512", Title: "UDP packets, 512 bytes of payload", Unit: "packets/s", Better: report.Higher, Measure: "udp512"},
	{ID: "udp1350", Title: "UDP packets, 1350 bytes of payload", Unit: "packets/s", Better: report.Higher, Measure: "udp1350"},
	{ID: "rr-tcp-p50", Title: "TCP round trip, p50", Unit: "s", Better: report.Lower, Measure: "rr-tcp"},
	{ID: "rr-tcp-p99", Title: "TCP round trip, p99", Unit: "s", Better: report.Lower, Measure: "rr-tcp"},
	{ID: "rr-tcp-p999", Title: "TCP round trip, p99.9", Unit: "s", Better: report.Lower, Measure: "rr-tcp"},
	{ID: "rr-udp-p50", Title: "UDP round trip, p50", Unit: "s", Better: report.Lower, Measure: "rr-udp"},
	{ID: "rr-udp-p99", Title: "UDP round trip, p99", Unit: "s", Better: report.Lower, Measure: "rr-udp"},
	{ID: "rr-udp-p999", Title: "UDP round trip, p99.9", Unit: "s", Better: report.Lower, Measure: "rr-udp"},
	{ID: "rr-tcp-load-p50", Title: "TCP round trip under load, p50", Unit: "s", Better: report.Lower, Measure: "rr-tcp-load"},
	{ID: "rr-tcp-load-p99", Title: "TCP round trip under load, p99", Unit: "s", Better: report.Lower, Measure: "rr-tcp-load"},
	{ID: "rr-tcp-load-p999", Title: "TCP round trip under load, p99.9", Unit: "s", Better: report.Lower, Measure: "rr-tcp-load"},
	{ID: "rr-udp-load-p50", Title: "UDP round trip under load, p50", Unit: "s", Better: report.Lower, Measure: "rr-udp-load"},
	{ID: "rr-udp-load-p99", Title: "UDP round trip under load, p99", Unit: "s", Better: report.Lower, Measure: "rr-udp-load"},
	{ID: "rr-udp-load-p999", Title: "UDP round trip under load, p99.9", Unit: "s", Better: report.Lower, Measure: "rr-udp-load"},
	{ID: "conns", Title: "New TCP connections", Unit: "1/s", Better: report.Higher, Measure: "conns"},
	{ID: "cpu-machine", Title: "CPU time, whole machine", Unit: "s/GB", Better: report.Lower, Measure: "tcp4"},
	{ID: "cpu-router", Title: "CPU time, routers", Unit: "s/GB", Better: report.Lower, Measure: "tcp4"},
	{ID: "rss-peak", Title: "Peak memory of the routers", Unit: "bytes", Better: report.Lower, Measure: "memory"},
	{ID: "mtu", Title: "Effective MTU", Unit: "bytes", Better: report.Higher, Measure: "mtu"},
	{ID: "restart-gap", Title: "Gap in a TCP stream while the router restarts", Unit: "s", Better: report.Lower, Measure: "restart"},
}

const sampleRounds = 5

// sample is a full run of an invented machine: two subjects that cannot run, a busy round, a failed round, a row without any
// figure and a check that failed.
func sample() *report.Report {
	r := &report.Report{
		Schema: report.Schema, Complete: true, Seconds: 2311,
		Started: time.Date(2026, 11, 20, 9, 12, 0, 0, time.UTC), Ended: time.Date(2026, 11, 20, 9, 51, 0, 0, time.UTC),
		Options:     report.Options{Preset: "full", Rounds: sampleRounds, MTU: 1500},
		Environment: sampleEnvironment(),
		Metrics:     sampleMetrics,
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for _, s := range sampleSubjects {
		r.Options.Subjects = append(r.Options.Subjects, s.name)
		r.Subjects = append(r.Subjects, report.Subject{Name: s.name, About: s.about, MTU: s.mtu, Details: sampleDetails(s.name)})
		for i, v := range s.figures {
			if v > 0 {
				r.Rows = append(r.Rows, sampleRow(rng, s.name, sampleMetrics[i], v))
			}
		}
		for _, check := range []string{"payload", "checksums", "fragments"} {
			r.Checks = append(r.Checks, report.Check{Subject: s.name, Name: check, OK: true, Rounds: sampleRounds})
		}
	}
	r.Options.Measures = []string{"tcp1", "tcp4", "tcp16", "tcp-both", "udp64", "udp512", "udp1350", "rr-tcp", "rr-udp", "rr-tcp-load", "rr-udp-load",
		"conns", "mtu", "memory", "restart"}
	r.Options.Subjects = append(r.Options.Subjects, "wireguard")
	r.Subjects = append(r.Subjects, report.Subject{Name: "wireguard", About: "WireGuard of the kernel", Unavailable: "the kernel has no link type wireguard (operation not supported)"})
	spoil(r)
	report.Fill(r, report.References())
	return r
}

func sampleRow(rng *rand.Rand, subject string, m report.Metric, v float64) report.Row {
	row := report.Row{Subject: subject, Metric: m.ID}
	for round := 1; round <= sampleRounds; round++ {
		s := report.Sample{Round: round, Value: v * (1 + 0.12*(rng.Float64()-0.5)), Detail: map[string]float64{}}
		switch {
		case m.Unit == "bit/s":
			s.Detail["retransmits"], s.Detail["drops"] = float64(rng.IntN(40)), 0
		case m.Unit == "packets/s":
			s.Detail["loss"], s.Detail["offered"], s.Detail["drops"] = 0.009*rng.Float64(), s.Value*1.005, float64(rng.IntN(200))
		case m.ID == "restart-gap":
			s.Detail["survived"] = 1
		case m.ID == "mtu":
			s.Value = v
		}
		row.Rounds = append(row.Rounds, s)
	}
	return row
}

// spoil makes the run as disturbed as runs are.
func spoil(r *report.Report) {
	for i := range r.Rows {
		row := &r.Rows[i]
		switch row.Subject + " " + row.Metric {
		case "vxlan tcp4":
			row.Rounds[2].Busy, row.Rounds[2].Value = 0.21, 19.6e9
		case "weft-batch-sealed tcp16":
			row.Rounds[1] = report.Sample{Round: 2, Error: "measure: iperf3: the server has terminated <early> & said so"}
		case "weft-plain-sealed udp512":
			for j := range row.Rounds {
				row.Rounds[j] = report.Sample{Round: j + 1, Error: "load: packet rate from 10.90.1.10 to 10.90.2.10: nothing arrived"}
			}
		}
	}
	for i := range r.Checks {
		if c := &r.Checks[i]; c.Subject == "weft-plain-sealed" && c.Name == "checksums" {
			c.OK, c.Detail = false, "UdpInCsumErrors rose by 3 in round 4 (udp512)"
		}
	}
}

func sampleDetails(subject string) map[string]string {
	switch subject {
	case "weft-batch-clear":
		return map[string]string{"driver": "batch", "encryption": "off", "path": "udp"}
	case "weft-batch-sealed":
		return map[string]string{"driver": "batch", "encryption": "on", "cipher": "aes-256-gcm", "path": "udp"}
	}
	return nil
}

func sampleEnvironment() report.Environment {
	return report.Environment{
		Weft: "0.3.0", Commit: "0123456789abcdef0123456789abcdef01234567", Go: "go1.26.1", Kernel: "6.18.5", OS: "Debian GNU/Linux 13",
		Arch: "amd64", CPU: "AMD EPYC 7763 64-Core Processor", Cores: 2, CPUFlags: []string{"aes", "avx2", "vaes"}, Memory: 8 << 30, Virtual: "KVM",
		Mitigations: map[string]string{"spectre_v2": "Mitigation: Retpolines; IBPB: conditional", "meltdown": "Not affected"},
		Sysctls:     map[string]string{"net.core.rmem_max": "212992", "net.ipv4.tcp_rmem": "4096\t131072\t6291456"},
		Versions:    map[string]string{"iperf3": "3.18", "wireguard-go": "v0.0.0-20260522210424-ecfc5a8d5446"},
		Devices: []report.Device{
			{Subject: "host-gw", Namespace: "a-pod", Name: "eth0", Type: "veth", MTU: 1500, QueueLen: 1000, GSOMax: 65536,
				Offloads: map[string]bool{"tx-tcp-segmentation": true, "rx-gro": true, "tx-udp-segmentation": true, "highdma": true, "rx-gro-list": false}},
			{Subject: "vxlan", Namespace: "a-pod", Name: "eth0", Type: "veth", MTU: 1450, QueueLen: 1000, GSOMax: 65536,
				Offloads: map[string]bool{"tx-tcp-segmentation": true, "rx-gro": true}},
			{Subject: "vxlan", Namespace: "a", Name: "eth0", Type: "veth", MTU: 1500, QueueLen: 1000, GSOMax: 65536,
				Offloads: map[string]bool{"tx-tcp-segmentation": true, "rx-gro": true}},
			{Subject: "weft-batch-clear", Namespace: "a", Name: "eth0", Type: "veth", MTU: 1500, QueueLen: 1000, GSOMax: 65536,
				Offloads: map[string]bool{"tx-tcp-segmentation": true, "rx-gro": true}},
		},
	}
}
