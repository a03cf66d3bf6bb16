package load

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// bulkUp sends from the near end.
func bulkUp(ctx context.Context, place Place, far Far, o BulkOptions) (result BulkResult, err error) {
	n, err := begin(ctx, "bulk", place, far, SinkTCP, o.Duration)
	if err != nil {
		return result, err
	}
	defer func() { n.finish(ctx, &err) }()
	sockets, release, err := n.dialMany(ctx, o.Streams)
	if err != nil {
		return result, err
	}
	defer release()
	sent, err := pour(sockets, time.Now().Add(o.Duration))
	if err != nil {
		return result, n.failed(ctx, err)
	}
	t, err := n.awaitBytes(ctx, sent)
	if err != nil {
		return result, n.failed(ctx, err)
	}
	result.Retransmits, result.RetransmitsKnown = retransmits(sockets)
	result.Up = flow(t)
	return result, n.failed(ctx, lacking(t.Bytes, sent))
}

// lacking is the error of a stream that brought another number of bytes than it took.
func lacking(arrived, sent uint64) error {
	if arrived == sent {
		return nil
	}
	return fmt.Errorf("%w: %d bytes of %d arrived", ErrUnreachable, arrived, sent)
}

// bulkDown receives at the near end. Time is up for all connections at once.
func bulkDown(ctx context.Context, place Place, far Far, o BulkOptions) (result BulkResult, err error) {
	n, err := begin(ctx, "bulk", place, far, SourceTCP, o.Duration)
	if err != nil {
		return result, err
	}
	defer func() { n.finish(ctx, &err) }()
	sockets, release, err := n.dialMany(ctx, o.Streams)
	if err != nil {
		return result, err
	}
	defer release()
	var l ledger
	err = draw(sockets, &l, time.Now().Add(o.Duration))
	if t := l.read(); err == nil && t.Bytes == 0 {
		err = fmt.Errorf("%w in %v", ErrUnreachable, o.Duration)
	} else {
		result.Down = flow(t)
	}
	return result, n.failed(ctx, err)
}

// dialMany opens connections at once and gives the token on all of them when all stand, so that none is ahead. release
// closes them all.
func (n *near) dialMany(ctx context.Context, count int) (sockets []*socket, release func(), err error) {
	sockets, releases := make([]*socket, count), make([]func(), count)
	err = atOnce(count, func(i int) (err error) {
		sockets[i], releases[i], err = n.connectTCP(ctx)
		return err
	})
	release = func() {
		for _, r := range releases {
			if r != nil {
				r()
			}
		}
	}
	for i := 0; i < count && err == nil; i++ {
		_, err = sockets[i].sendAll(n.token[:])
	}
	if err != nil {
		release()
		return nil, nil, n.failed(ctx, err)
	}
	return sockets, release, nil
}

// pour sends on all sockets until the end and returns the bytes that the kernel took.
func pour(sockets []*socket, end time.Time) (sent uint64, err error) {
	b := make([]byte, chunkLen)
	fill(b)
	totals := make([]uint64, len(sockets))
	err = atOnce(len(sockets), func(i int) (err error) {
		totals[i], err = sockets[i].pour(b, end)
		return err
	})
	for _, total := range totals {
		sent += total
	}
	return sent, err
}

// pour sends b again and again until the end. A path that stands still is waited for a while longer.
func (s *socket) pour(b []byte, end time.Time) (sent uint64, err error) {
	for left := time.Until(end); left > 0; left = time.Until(end) {
		if err := s.limit(unix.SO_SNDTIMEO, left+grace); err != nil {
			return sent, err
		}
		n, err := s.send(b)
		if err == unix.EAGAIN {
			err = fmt.Errorf("the path stands still for %v", grace)
		}
		if err != nil {
			return sent, err
		}
		sent += uint64(n)
	}
	return sent, nil
}

// draw receives on all sockets until the end.
func draw(sockets []*socket, l *ledger, end time.Time) error {
	return atOnce(len(sockets), func(i int) error {
		s, b := sockets[i], make([]byte, chunkLen)
		for left := time.Until(end); left > 0; left = time.Until(end) {
			if err := s.limit(unix.SO_RCVTIMEO, left); err != nil {
				return err
			}
			n, err := s.recv(b)
			switch {
			case err == unix.EAGAIN:
				return nil // the end
			case err != nil:
				return err
			case n == 0:
				return errEnded
			}
			l.bytes(n, time.Now())
		}
		return nil
	})
}

// atOnce does something count times at once. Of several errors it returns the first.
func atOnce(count int, do func(i int) error) error {
	var group errgroup.Group
	for i := range count {
		group.Go(func() error { return do(i) })
	}
	return group.Wait()
}

// awaitBytes waits until so many bytes have arrived, or nothing more arrives.
func (n *near) awaitBytes(ctx context.Context, sent uint64) (Tally, error) {
	return n.await(ctx, grace, func(t Tally) bool { return t.Bytes >= sent })
}

// await asks for the tally until it is enough, or has not changed for as long as quiet: then the tally is not enough.
func (n *near) await(ctx context.Context, quiet time.Duration, enough func(Tally) bool) (Tally, error) {
	poll := time.NewTicker(drainPoll)
	defer poll.Stop()
	var last Tally
	for rose := time.Now(); ; {
		t, err := n.remote.Tally(ctx)
		if err != nil || enough(t) {
			return t, err
		}
		if t.Bytes != last.Bytes || t.Datagrams != last.Datagrams {
			rose, last = time.Now(), t
		}
		if time.Since(rose) > quiet {
			return t, nil
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return t, ctx.Err()
		}
	}
}

// retransmits is how many segments of the connections were sent again. Not known: the kernel does not tell of one of them.
func retransmits(sockets []*socket) (sum uint64, known bool) {
	for _, s := range sockets {
		info, err := unix.GetsockoptTCPInfo(s.fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			return 0, false
		}
		sum += uint64(info.Total_retrans)
	}
	return sum, true
}
