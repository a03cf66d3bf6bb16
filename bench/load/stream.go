package load

import (
	"context"
	"errors"
	"time"
)

// StreamOptions say how the stream is paced.
type StreamOptions struct {
	Interval time.Duration // between two writes; 0: 1 ms
	Size     int           // bytes of a write, 1 to 65536; 0: 64
	Settle   time.Duration // how long Stop waits for what is under way; 0: 15 s
}

// Stream is a paced TCP stream.
type Stream struct{}

// StreamResult is what arrived of a stream.
type StreamResult struct {
	LongestGap time.Duration // at the receiver
	Survived   bool          // all that was sent arrived, on the one connection
	Bytes      uint64        // that arrived
	Sent       uint64        // bytes
}

// StartStream begins a stream.
func StartStream(ctx context.Context, place Place, far Far, o StreamOptions) (*Stream, error) {
	return nil, errors.ErrUnsupported
}

// Stop ends the stream.
func (s *Stream) Stop() (StreamResult, error) { return StreamResult{}, errors.ErrUnsupported }
