package between

import (
	"context"
	"time"

	"github.com/weftnet/weft/bench/load"
	"github.com/weftnet/weft/bench/report"
)

const (
	maxPackets  = 200_000 // packets/s: a network that others use too is not filled with more
	udpTrials   = 6       // rates that are tried in the search
	stepTime    = 300 * time.Millisecond
	tailSamples = 1000        // with less in a series, its p99.9 would be the longest of them
	lostAfter   = time.Second // without an answer, a UDP request is lost: the way around the earth takes 300 ms and more
)

// tailSuffix ends the names of metrics that only long series have.
const tailSuffix = "-p999"

// limits are what both sides allow.
type limits struct {
	duration time.Duration // of one TCP transfer
	rate     uint64        // bit/s; 0: unlimited
}

// measure is one thing that is done over one path.
type measure struct {
	metrics  []report.Metric
	protocol string // "tcp" or "udp"
	cost     func(limits) time.Duration
	run      func(context.Context, load.Far, limits) ([]reading, error)
	refused  func(limits) string // why it cannot be within the limits; nil: it always can
}

// reading is the figure of one metric, in the order of the measure's. The last metrics may have none.
type reading struct {
	value  float64
	detail map[string]float64
}

// measures are all, in the order in which they are made. The path MTU is found before them (see prober).
func measures() []measure {
	return []measure{
		transfer("tcp1", "TCP, 1 stream, there", 1, load.Up), transfer("tcp1-back", "TCP, 1 stream, back", 1, load.Down),
		transfer("tcp4", "TCP, 4 streams, there", 4, load.Up), transfer("tcp4-back", "TCP, 4 streams, back", 4, load.Down),
		packets("udp64", "UDP, 64 bytes, there", 64), packets("udp1350", "UDP, 1350 bytes, there", 1350),
		roundTrips("rr-tcp", "TCP round trip", load.TCP), roundTrips("rr-udp", "UDP round trip", load.UDP),
	}
}

// mtuMetric is found once, in the first round.
var mtuMetric = report.Metric{ID: "mtu", Title: "Path MTU", Unit: "bytes", Better: report.Higher, Measure: "mtu"}

func transfer(id, title string, streams int, way load.Direction) measure {
	m := measure{
		metrics:  []report.Metric{{ID: id, Title: title, Unit: "bit/s", Better: report.Higher, Measure: id}},
		protocol: load.TCP,
		cost:     func(l limits) time.Duration { return l.duration + stepTime },
		run: func(ctx context.Context, far load.Far, l limits) ([]reading, error) {
			r, err := load.Bulk(ctx, load.Here{}, far, load.BulkOptions{Streams: streams, Duration: l.duration, Direction: way})
			if err != nil || !r.RetransmitsKnown { // as of what the other side sends
				return []reading{{value: r.BitsPerSecond}}, err
			}
			return []reading{{r.BitsPerSecond, map[string]float64{"retransmits": float64(r.Retransmits)}}}, nil
		},
	}
	if way == load.Up {
		m.refused = func(l limits) string {
			if l.rate == 0 {
				return ""
			}
			return "the other side limits the rate, and TCP from here cannot be held to it"
		}
	}
	return m
}

func packets(id, title string, payload int) measure {
	return measure{
		metrics:  []report.Metric{{ID: id, Title: title, Unit: "packets/s", Better: report.Higher, Measure: id}},
		protocol: load.UDP,
		cost:     func(l limits) time.Duration { return udpTrials * (trialTime(l) + stepTime) },
		run: func(ctx context.Context, far load.Far, l limits) ([]reading, error) {
			r, err := load.PacketRate(ctx, load.Here{}, far, load.PacketRateOptions{
				Payload: payload, Trial: trialTime(l), Trials: udpTrials, Limit: packetLimit(l, payload),
			})
			if err != nil {
				return nil, err
			}
			detail := map[string]float64{"loss": r.Loss, "offered": r.Offered}
			if r.SenderBound {
				detail["sender-bound"] = 1
			}
			return []reading{{r.PPS, detail}}, nil
		},
	}
}

func trialTime(l limits) time.Duration { return l.duration / 4 }

// packetLimit is the highest rate of packets that is tried.
func packetLimit(l limits, payload int) float64 {
	if l.rate == 0 {
		return maxPackets
	}
	return min(maxPackets, float64(l.rate)/8/float64(payload))
}

func roundTrips(id, title, protocol string) measure {
	metric := func(suffix, words string) report.Metric {
		return report.Metric{ID: id + suffix, Title: title + words, Unit: "s", Better: report.Lower, Measure: id}
	}
	return measure{
		metrics:  []report.Metric{metric("-p50", ", median"), metric("-p99", ", 99 %"), metric(tailSuffix, ", 99.9 %")},
		protocol: protocol,
		cost:     func(l limits) time.Duration { return l.duration/2 + stepTime },
		run: func(ctx context.Context, far load.Far, l limits) ([]reading, error) {
			r, err := load.Latency(ctx, load.Here{}, far, load.LatencyOptions{Proto: protocol, Duration: l.duration / 2, LostAfter: lostAfter})
			if err != nil {
				return nil, err
			}
			detail := map[string]float64{"samples": float64(r.Count)}
			if protocol == load.UDP {
				detail["lost"] = float64(r.Lost)
			}
			readings := []reading{{r.P50.Seconds(), detail}, {r.P99.Seconds(), detail}, {r.P999.Seconds(), detail}}
			if r.Count < tailSamples {
				readings = readings[:2]
			}
			return readings, nil
		},
	}
}
