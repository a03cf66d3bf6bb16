package load

import (
	"context"
	"fmt"
	"net/netip"
	"time"
)

// Trial is one rate.
type Trial struct {
	Asked      float64 // packets/s; 0: as fast as the sender can
	Offered    float64 // packets/s that were really sent
	Arrived    float64 // packets/s
	Sent       uint64
	Received   uint64 // each once
	Duplicates uint64
	Overflow   uint64  // of what was lost: dropped by the far socket's buffer
	Damaged    uint64  // of what was lost: arrived otherwise than it was sent; with trains only
	Loss       float64 // 1 - Received/Sent
}

// trial sends at one rate, waits for what is under way, and counts. It is a job of its own at the far end, so that nothing
// of the trial before is counted in it.
func trial(ctx context.Context, place Place, far Far, o PacketRateOptions, asked float64) (result Trial, err error) {
	n, err := begin(ctx, rateOf(o.Payload), place, far, o.sink(), o.Trial)
	if err != nil {
		return result, err
	}
	defer func() { n.finish(ctx, &err) }()
	s, release, err := n.dialUDP(ctx)
	if err != nil {
		return result, err
	}
	defer release()
	b, err := o.sender(s, n.token)
	if err != nil {
		return result, n.failed(ctx, err)
	}
	var took time.Duration
	done := make(chan error, 1)
	go locked(func() {
		var err error
		result.Sent, took, err = blast(b, asked, o.Trial, func() bool { return ctx.Err() != nil })
		done <- err
	})
	if err := <-done; err != nil {
		return result, n.failed(ctx, err)
	}
	tally, err := n.drain(ctx, result.Sent)
	if err != nil {
		return result, n.failed(ctx, err)
	}
	return result.sum(asked, took, tally), nil
}

// sink is the job that takes the trials' datagrams.
func (o PacketRateOptions) sink() Kind {
	if o.Train > 0 {
		return CheckUDP
	}
	return SinkUDP
}

// sender sends the trials' datagrams.
func (o PacketRateOptions) sender(s *socket, token Token) (burster, error) {
	if o.Train > 0 {
		return newTrainSender(s, token, o.Payload, o.Train)
	}
	return newBlaster(s, token, o.Payload), nil
}

// sum computes the figures of a trial.
func (t Trial) sum(asked float64, took time.Duration, tally Tally) Trial {
	t.Asked = asked
	t.Received, t.Duplicates = tally.Unique(), tally.Duplicates
	t.Overflow, t.Damaged = tally.Overflow, tally.Damaged
	t.Offered = float64(t.Sent) / took.Seconds()
	t.Arrived = float64(t.Received) / max(took, tally.Elapsed).Seconds()
	if t.Sent > 0 {
		t.Loss = 1 - float64(t.Received)/float64(t.Sent)
	}
	return t
}

// drain waits until all that was sent has arrived, or nothing more arrives. Asking may take long on a network: the wait for
// more is longer by two such times.
func (n *near) drain(ctx context.Context, sent uint64) (Tally, error) {
	poll := time.NewTicker(drainPoll)
	defer poll.Stop()
	start := time.Now()
	var last Tally
	for rose := start; ; {
		before := time.Now()
		t, err := n.remote.Tally(ctx)
		if err != nil || t.Unique() >= sent {
			return t, err
		}
		now := time.Now()
		if t.Datagrams != last.Datagrams {
			rose, last = now, t
		}
		if now.Sub(rose) > drainQuiet+2*now.Sub(before) || now.Sub(start) > drainMost {
			return t, nil
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return t, ctx.Err()
		}
	}
}

// reach sends a few datagrams until one has arrived, so that a path that does not carry them at all is named as such. It
// returns the address that took them.
func reach(ctx context.Context, place Place, far Far, size int) (to netip.AddrPort, err error) {
	n, err := begin(ctx, rateOf(size), place, far, SinkUDP, grace)
	if err != nil {
		return to, err
	}
	defer func() { n.finish(ctx, &err) }()
	s, release, err := n.dialUDP(ctx)
	if err != nil {
		return to, err
	}
	defer release()
	b := newBlaster(s, n.token, size)
	poll := time.NewTicker(drainPoll)
	defer poll.Stop()
	for end := time.Now().Add(grace); time.Now().Before(end); {
		if _, err := b.send(1); err != nil {
			return to, n.failed(ctx, err)
		}
		t, err := n.remote.Tally(ctx)
		if err != nil || t.Datagrams > 0 {
			return n.to, n.failed(ctx, err)
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return to, n.failed(ctx, ctx.Err())
		}
	}
	return to, n.failed(ctx, fmt.Errorf("%w: %d datagrams of %d bytes in %v", ErrUnreachable, b.next, size, grace))
}
