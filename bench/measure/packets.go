package measure

import (
	"context"
	"fmt"
	"time"

	"github.com/weftnet/weft/bench/load"
	"github.com/weftnet/weft/bench/report"
)

const (
	udpHeaders  = 20 + 8                 // IPv4, UDP
	mostLoss    = 0.01                   // RFC 2544 allows none; two hosts that share the cores of one machine always lose some
	trialDrain  = 200 * time.Millisecond // about what waiting for the last datagrams takes
	senderBound = "sender-bound"         // 1: the sender could not go faster, the path may take more
)

// packets is the highest rate of UDP datagrams of one size with loss below 1 %, one datagram per packet.
type packets struct {
	payload int // bytes
}

func (m packets) ID() string { return fmt.Sprintf("udp%d", m.payload) }

func (m packets) About() string {
	return fmt.Sprintf("highest rate of UDP datagrams of %d bytes with loss below 1 %%", m.payload)
}

func (m packets) Metrics() []report.Metric {
	return []report.Metric{{
		ID: m.ID(), Title: fmt.Sprintf("UDP, %d bytes", m.payload), Unit: "packets/s", Better: report.Higher, Measure: m.ID(),
	}}
}

func (m packets) Cost(l Lengths) time.Duration {
	return time.Duration(l.Trials) * (l.Trial + trialDrain)
}

// Run searches. Datagrams that do not fit into one packet are refused: their fragments would be measured.
func (m packets) Run(ctx context.Context, t Target, l Lengths) ([]Reading, error) {
	if need := m.payload + udpHeaders; need > t.MTU {
		return nil, fmt.Errorf("measure: %s: packets of %d bytes do not fit into the MTU of %d", m.ID(), need, t.MTU)
	}
	far := farEnd(t)
	defer far.Close()
	r, err := load.PacketRate(ctx, t.From, far, load.PacketRateOptions{
		Payload: m.payload, Trial: l.Trial, Trials: l.Trials, MaxLoss: mostLoss,
	})
	if err != nil {
		return nil, fmt.Errorf("measure: %s: %w", m.ID(), err)
	}
	return []Reading{{Metric: m.ID(), Value: r.PPS, Detail: rateDetail(r, t.Rate)}}, nil
}

// rateDetail is what stands beside the rate. The drops are those of the trial that gave it, not of the whole search, whose other
// trials go beyond what the path can carry.
func rateDetail(r load.PacketRateResult, rate uint64) map[string]float64 {
	detail := map[string]float64{DetailLoss: r.Loss, DetailOffered: r.Offered, senderBound: 0}
	if r.SenderBound && rate == 0 { // a limited cable holds the sender back by itself
		detail[senderBound] = 1
	}
	if r.Overflow > 0 { // lost by the bench, not by the subject
		detail["receiver-drops"] = float64(r.Overflow)
	}
	for _, trial := range r.Trials {
		if trial.Offered == r.Offered && trial.Loss == r.Loss {
			detail[DetailDrops] = float64(less(trial.Sent, trial.Received))
		}
	}
	return detail
}
