package load

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Direction is where bytes flow.
type Direction string

// The directions, seen from the near end.
const (
	Up   Direction = "up"
	Down Direction = "down"
	Both Direction = "both"
)

const maxStreams = 128

// BulkOptions say what to send.
type BulkOptions struct {
	Streams   int           // TCP connections in each direction, 1 to 128; 0: 1
	Duration  time.Duration // of sending
	Direction Direction     // empty: Up
}

// BulkResult is what arrived.
type BulkResult struct {
	BitsPerSecond float64 // of payload, the sum of both directions
	Bytes         uint64  // of payload, the sum of both directions
	Up, Down      Flow
	// Retransmits are the segments that the near end sent again, if RetransmitsKnown: it has sent, and the kernel has told of
	// every connection. Those of the other end are not known.
	Retransmits      uint64
	RetransmitsKnown bool
}

// Flow is what arrived of one direction.
type Flow struct {
	BitsPerSecond float64
	Bytes         uint64
	Elapsed       time.Duration // from the first to the last byte, at the receiver
}

// Bulk sends as much as TCP takes, and counts at the receiver what arrives between its first and its last byte. All
// connections of a direction stand before the first of them sends.
func Bulk(ctx context.Context, place Place, far Far, o BulkOptions) (BulkResult, error) {
	if o.Streams == 0 {
		o.Streams = 1
	}
	if o.Streams < 1 || o.Streams > maxStreams || o.Duration <= 0 {
		return BulkResult{}, fmt.Errorf("load: bulk: %d streams for %v: want 1 to %d for more than no time", o.Streams, o.Duration, maxStreams)
	}
	var up, down BulkResult
	var err error
	switch o.Direction {
	case Up, "":
		up, err = bulkUp(ctx, place, far, o)
	case Down:
		down, err = bulkDown(ctx, place, far, o)
	case Both:
		up, down, err = bulkBoth(ctx, place, far, o)
	default:
		err = fmt.Errorf("load: bulk: unknown direction %q: want %s, %s or %s", o.Direction, Up, Down, Both)
	}
	if err != nil {
		return BulkResult{}, err
	}
	return BulkResult{
		BitsPerSecond: up.Up.BitsPerSecond + down.Down.BitsPerSecond,
		Bytes:         up.Up.Bytes + down.Down.Bytes,
		Up:            up.Up,
		Down:          down.Down,
		Retransmits:   up.Retransmits, RetransmitsKnown: up.RetransmitsKnown,
	}, nil
}

// bulkBoth runs both directions at once.
func bulkBoth(ctx context.Context, place Place, far Far, o BulkOptions) (up, down BulkResult, err error) {
	done := make(chan error, 1)
	go func() {
		var err error
		up, err = bulkUp(ctx, place, far, o)
		done <- err
	}()
	down, err = bulkDown(ctx, place, far, o)
	return up, down, errors.Join(<-done, err)
}

// flow is the rate of a tally. One read alone has no time and so no rate.
func flow(t Tally) Flow {
	f := Flow{Bytes: t.Bytes, Elapsed: t.Elapsed}
	if t.Elapsed > 0 {
		f.BitsPerSecond = float64(t.Bytes) * 8 / t.Elapsed.Seconds()
	}
	return f
}
