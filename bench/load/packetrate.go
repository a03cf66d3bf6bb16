package load

import (
	"context"
	"fmt"
	"time"
)

const (
	defaultTrials = 8
	defaultLoss   = 0.01
	drainQuiet    = 100 * time.Millisecond // nothing more arrives
	drainMost     = 3 * time.Second
	drainPoll     = 10 * time.Millisecond
	fullShare     = 0.97 // of the rate asked for: a sender that comes to less was the limit itself
	narrowLoss    = 3    // times MaxLoss: a trial that lost less may have had bad luck
)

// PacketRateOptions say how to search.
type PacketRateOptions struct {
	Payload int           // bytes of UDP payload of each datagram, 16 (with Train 18) to 65507
	Train   int           // datagrams that one send is made of, 1 to 64, of which all bytes are compared; 0: see PacketRate
	Trial   time.Duration // of sending at one rate
	Trials  int           // at most so many rates are tried; 0: 8
	MaxLoss float64       // the share that may be lost, above 0 and below 1; 0: 0.01
	Limit   float64       // packets/s; no trial is faster; 0: as fast as the sender can
}

// PacketRateResult is the highest rate that passed.
type PacketRateResult struct {
	PPS      float64 // packets/s that arrived
	Loss     float64 // share of the packets sent in that trial, 0 to 1
	Offered  float64 // packets/s that were sent in that trial
	Overflow uint64  // datagrams that the far socket's own buffer dropped in that trial: lost by the bench, not by the path
	Damaged  uint64  // datagrams that arrived otherwise than they were sent, in all trials; with Train only
	Trials   []Trial // in the order in which they were made
	// SenderBound says that the path may take more: the fastest that the sender can (or Limit) passed, or the sender came to
	// less than 97 % of what the trial asked for.
	SenderBound bool
}

// PacketRate looks for the highest rate of UDP datagrams of which less than MaxLoss is lost: the throughput of RFC 2544,
// section 26.1, with shorter trials and a loss that is allowed. The first trial is at full speed, the second at the rate that
// arrived of it, the next halve the distance between what passed and what did not. A rate at which less than three times MaxLoss is lost is
// tried a second time before it counts as one that does not pass. Without Train one datagram is one packet: there is no
// segmentation offload. With Train the sender leaves it to the kernel to cut one send into datagrams, the receiver lets the
// kernel join them, and both ends of the path may keep them joined. The sender sleeps between its bursts of about 100 µs and never spins, so that it takes no more of
// the processor than sending costs.
//
// Loss is what has not arrived when nothing more arrives. A rate is what arrived in the longer of the time of sending and
// the time of arriving: what waited in queues has not been carried during the trial. When no rate passes, that is an error,
// and the result holds the trials.
func PacketRate(ctx context.Context, place Place, far Far, o PacketRateOptions) (PacketRateResult, error) {
	o, err := o.withDefaults()
	if err != nil {
		return PacketRateResult{}, err
	}
	to, err := reach(ctx, place, far, o.Payload)
	if err != nil {
		return PacketRateResult{}, err
	}
	var result PacketRateResult
	var s search
	asked := o.Limit
	for len(result.Trials) < o.Trials && !s.over {
		t, err := trial(ctx, place, far, o, asked)
		if err != nil {
			return result, err
		}
		v := verdictOf(t, o.MaxLoss)
		asked = s.tell(t, v)
		result.add(t, v == passed)
	}
	result.SenderBound = result.SenderBound || s.unbounded()
	if result.PPS == 0 {
		return result, failed(ctx, rateOf(o.Payload), place, to, result.none(o.MaxLoss))
	}
	return result, nil
}

func (o PacketRateOptions) withDefaults() (PacketRateOptions, error) {
	if o.Trials == 0 {
		o.Trials = defaultTrials
	}
	if o.MaxLoss == 0 {
		o.MaxLoss = defaultLoss
	}
	switch {
	case o.Payload < headLen || o.Payload > maxDatagram:
		return o, fmt.Errorf("load: packet rate: payload of %d bytes: want %d to %d", o.Payload, headLen, maxDatagram)
	case o.Train < 0 || o.Train > maxTrain || o.Train > 0 && (o.Payload < checkedLen || o.Train*o.Payload > maxDatagram):
		return o, fmt.Errorf("load: packet rate: trains of %d datagrams of %d bytes: want 1 to %d of %d bytes or more, %d bytes at most",
			o.Train, o.Payload, maxTrain, checkedLen, maxDatagram)
	case o.Trial <= 0 || o.Trials < 0:
		return o, fmt.Errorf("load: packet rate: %d trials of %v: want more than none", o.Trials, o.Trial)
	case o.MaxLoss < 0 || o.MaxLoss >= 1 || o.Limit < 0:
		return o, fmt.Errorf("load: packet rate: loss %v, limit %v: want a share between 0 and 1, and a rate", o.MaxLoss, o.Limit)
	}
	return o, nil
}

// none says that no rate passed.
func (r *PacketRateResult) none(most float64) error {
	last := r.Trials[len(r.Trials)-1]
	return fmt.Errorf("in %d trials no rate had a loss below %.3g %%: of %.0f packets/s the path lost %.3g %%",
		len(r.Trials), most*100, last.Offered, last.Loss*100)
}

// rateOf is what errors call the measurement.
func rateOf(payload int) string { return fmt.Sprintf("packet rate of %d bytes", payload) }

// add takes a trial into the result.
func (r *PacketRateResult) add(t Trial, passed bool) {
	r.Trials = append(r.Trials, t)
	r.Damaged += t.Damaged
	if passed && t.Arrived > r.PPS {
		r.PPS, r.Loss, r.Offered, r.Overflow = t.Arrived, t.Loss, t.Offered, t.Overflow
		r.SenderBound = t.Offered < fullShare*t.Asked
	}
}
