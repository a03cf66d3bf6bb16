package report

import "time"

// example is a report of two subjects and two metrics in three rounds; vxlan has no latency.
func example() *Report {
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	r := &Report{
		Schema: Schema, Started: began, Ended: began.Add(time.Minute), Seconds: 50, Complete: true,
		Options: Options{Preset: "quick", Subjects: []string{"vxlan", "weft"}, Measures: []string{"tcp1", "rr-tcp"}, Rounds: 3, MTU: 1500},
		Environment: Environment{Kernel: "6.1", Cores: 2, Boot: "one", Devices: []Device{
			{Subject: "vxlan", Namespace: "a", Name: "eth0", Type: "veth", MTU: 1500, Offloads: map[string]bool{"tx-udp-segmentation": true}},
			{Subject: "weft", Namespace: "a", Name: "eth0", Type: "veth", MTU: 1500, Offloads: map[string]bool{"tx-udp-segmentation": true}},
		}},
		Subjects: []Subject{{Name: "vxlan"}, {Name: "weft"}, {Name: "wireguard", Unavailable: "no module"}},
		Metrics: []Metric{
			{ID: "tcp1", Title: "TCP, 1 stream", Unit: "bit/s", Better: Higher, Measure: "tcp1"},
			{ID: "rr-tcp-p50", Title: "TCP round trip, median", Unit: "s", Better: Lower, Measure: "rr-tcp"},
		},
		Rows: []Row{
			{Subject: "vxlan", Metric: "tcp1", Rounds: []Sample{{Round: 1, Value: 10}, {Round: 2, Value: 20}, {Round: 3, Value: 10}}},
			{Subject: "weft", Metric: "tcp1", Rounds: []Sample{
				{Round: 1, Value: 5, Detail: map[string]float64{"retransmits": 3}},
				{Round: 2, Value: 8, Busy: 0.5, Detail: map[string]float64{"retransmits": 1}},
				{Round: 3, Value: 7},
			}},
			{Subject: "weft", Metric: "rr-tcp-p50", Rounds: []Sample{{Round: 1, Value: 3e-5}, {Round: 2, Value: 4e-5}, {Round: 3, Value: 3e-5}}},
		},
		Checks: []Check{{Subject: "weft", Name: "payload", OK: true, Rounds: 2}},
	}
	for round := 1; round <= 3; round++ {
		for _, s := range r.Options.Subjects {
			for _, m := range r.Options.Measures {
				r.Schedule = append(r.Schedule, Step{Round: round, Subject: s, Measure: m, Started: began, Seconds: 1})
			}
		}
	}
	Fill(r, References())
	return r
}
