package demo

import (
	"context"
	"io"
)

// screen is where the demo is seen. When it can be seen no more, because a write failed, the demo stops.
type screen struct {
	to   io.Writer
	stop context.CancelCauseFunc
	err  error // of the first write that failed
}

// Write writes through, but nothing after a failure.
func (s *screen) Write(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.to.Write(p)
	if err != nil {
		s.err = err
		s.stop(err)
	}
	return n, err
}
