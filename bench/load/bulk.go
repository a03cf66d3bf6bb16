package load

import (
	"context"
	"errors"
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
	Retransmits   uint64 // segments that the near end sent again
}

// Flow is what arrived of one direction.
type Flow struct {
	BitsPerSecond float64
	Bytes         uint64
	Elapsed       time.Duration // from the first to the last byte, at the receiver
}

// Bulk sends as much as TCP takes.
func Bulk(ctx context.Context, place Place, far Far, o BulkOptions) (BulkResult, error) {
	return BulkResult{}, errors.ErrUnsupported
}
