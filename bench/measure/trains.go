package measure

import (
	"context"
	"fmt"
	"time"

	"github.com/weftnet/weft/bench/load"
	"github.com/weftnet/weft/bench/report"
)

const (
	trainPayload = 1200 // bytes of a datagram: what QUIC begins with (RFC 9000, section 14.1)
	trainLength  = 32   // datagrams of one send
)

// trains is the highest payload rate of UDP as QUIC sends it, with loss below 1 %: many datagrams of one flow in one send of the
// kernel (UDP_SEGMENT), which the receiver's kernel may join again (UDP_GRO). All bytes that arrive are compared.
type trains struct{}

func (trains) ID() string { return "udp-gso" }

func (trains) About() string {
	return fmt.Sprintf("highest payload rate of UDP in sends of %d datagrams of %d bytes with loss below 1 %%", trainLength, trainPayload)
}

func (m trains) Metrics() []report.Metric {
	return []report.Metric{{
		ID: m.ID(), Title: fmt.Sprintf("UDP with GSO, %d bytes", trainPayload), Unit: "bit/s", Better: report.Higher, Measure: m.ID(),
	}}
}

func (trains) Cost(l Lengths) time.Duration { return packets{}.Cost(l) }

// Run searches. Datagrams that do not fit into one packet are refused, and a path that damages one gives no figure.
func (m trains) Run(ctx context.Context, t Target, l Lengths) ([]Reading, error) {
	if need := trainPayload + udpHeaders; need > t.MTU {
		return nil, fmt.Errorf("measure: %s: packets of %d bytes do not fit into the MTU of %d", m.ID(), need, t.MTU)
	}
	far := farEnd(t)
	defer far.Close()
	r, err := load.PacketRate(ctx, t.From, far, load.PacketRateOptions{
		Payload: trainPayload, Train: trainLength, Trial: l.Trial, Trials: l.Trials, MaxLoss: mostLoss,
	})
	if err == nil && r.Damaged > 0 {
		err = fmt.Errorf("%d datagrams from %s to %s arrived damaged", r.Damaged, t.From.Name(), t.To.Name())
	}
	if err != nil {
		return nil, fmt.Errorf("measure: %s: %w", m.ID(), err)
	}
	return []Reading{{Metric: m.ID(), Value: r.PPS * trainPayload * 8, Detail: rateDetail(r, t.Rate)}}, nil
}
