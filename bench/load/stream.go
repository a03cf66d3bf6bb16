package load

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	defaultInterval = time.Millisecond
	defaultSettle   = 15 * time.Second
	maxStreamLife   = 90 * time.Second
)

// StreamOptions say how the stream is paced.
type StreamOptions struct {
	Interval time.Duration // between two writes; 0: 1 ms
	Size     int           // bytes of a write, 1 to 65536; 0: 64
	Settle   time.Duration // how long Stop waits for the stream to flow again; 0: 15 s
}

// StreamResult is what arrived of a stream.
type StreamResult struct {
	LongestGap time.Duration // between two reads at the receiver; when the stream has not survived, at least that
	Survived   bool          // all that was sent arrived, on the one connection
	Bytes      uint64        // that arrived
	Sent       uint64        // bytes
}

// Stream is a TCP connection on which a few bytes are sent at a steady pace. It shows for how long a path carries nothing.
// It ends by Stop, which must be called once.
type Stream struct {
	ctx     context.Context
	options StreamOptions
	near    *near
	socket  *socket
	release func()
	sent    atomic.Uint64
	quit    chan struct{} // closed: no more writes
	done    chan error    // how writing ended
}

// StartStream begins a stream; when it returns, the first bytes have arrived. The stream lives for 90 s at most.
func StartStream(ctx context.Context, place Place, far Far, o StreamOptions) (*Stream, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	n, err := begin(ctx, "stream", place, far, SinkTCP, maxStreamLife)
	if err != nil {
		return nil, err
	}
	s := &Stream{ctx: ctx, options: o, near: n, quit: make(chan struct{}), done: make(chan error, 1)}
	if s.socket, s.release, err = n.dial(ctx); err != nil {
		n.finish(ctx, &err)
		return nil, err
	}
	if err := s.socket.limit(unix.SO_SNDTIMEO, maxStreamLife); err != nil {
		s.done <- err
	} else {
		go locked(func() { s.done <- s.write() })
	}
	t, err := n.await(ctx, grace, func(t Tally) bool { return t.Bytes > 0 })
	if err == nil && t.Bytes == 0 {
		err = fmt.Errorf("%w in %v", ErrUnreachable, grace)
	}
	if err != nil {
		s.end()
		n.finish(ctx, &err)
		return nil, n.failed(ctx, err)
	}
	return s, nil
}

func (o StreamOptions) withDefaults() (StreamOptions, error) {
	if o.Interval == 0 {
		o.Interval = defaultInterval
	}
	if o.Size == 0 {
		o.Size = defaultSize
	}
	if o.Settle == 0 {
		o.Settle = defaultSettle
	}
	if o.Interval < 0 || o.Size < 1 || o.Size > maxTCPSize || o.Settle < 0 {
		return o, fmt.Errorf("load: stream: %d bytes every %v: want 1 to %d bytes and more than no time", o.Size, o.Interval, maxTCPSize)
	}
	return o, nil
}

// write sends at the pace until it is told to quit or the connection is broken. What could not be sent in time is not made
// up for.
func (s *Stream) write() error {
	b := make([]byte, s.options.Size)
	fill(b)
	for next := now(); ; next = max(next+s.options.Interval, now()) {
		sleepUntil(unix.NsecToTimespec(next.Nanoseconds()))
		select {
		case <-s.quit:
			return nil
		default:
		}
		n, err := s.socket.sendAll(b)
		s.sent.Add(uint64(n))
		if err != nil {
			return err
		}
	}
}

// now is the monotonic clock that sleepUntil waits for.
func now() time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) // never fails
	return time.Duration(t.Nano())
}

// Stop waits until something has arrived that was sent after Stop was called, so that a gap that lasts is in the result with
// its whole length; then it ends the stream and waits for the rest. A connection that broke, or stood still for longer than
// Settle, has not survived; that is a result and no error. An error is that of the far end, or of the context that the
// stream was started with.
func (s *Stream) Stop() (result StreamResult, err error) {
	defer func() {
		s.end()
		t := s.near.finish(s.ctx, &err)
		result.LongestGap, result.Bytes, result.Sent = max(result.LongestGap, t.LongestGap), t.Bytes, s.sent.Load()
		result.Survived = result.Survived && result.Bytes == result.Sent
	}()
	begun := s.sent.Load() + uint64(s.options.Size) // one write may have been taken and not counted yet
	if flows, err := s.await(begun+1, &result); err != nil || !flows {
		return result, err
	}
	close(s.quit)
	if err := <-s.done; err != nil {
		s.done <- err
		return result, s.contextError()
	}
	s.done <- nil
	result.Survived, err = s.await(s.sent.Load(), &result)
	return result, err
}

// await waits until so many bytes have arrived. Not so when the stream broke or stood still for Settle, which is then a gap.
func (s *Stream) await(bytes uint64, result *StreamResult) (bool, error) {
	broken := func() bool { return !s.quitting() && len(s.done) > 0 }
	t, err := s.near.await(s.ctx, s.options.Settle, func(t Tally) bool { return t.Bytes >= bytes || broken() })
	if err != nil {
		return false, s.near.failed(s.ctx, err)
	}
	if t.Bytes < bytes && !broken() {
		result.LongestGap = s.options.Settle
	}
	return t.Bytes >= bytes, s.contextError()
}

func (s *Stream) quitting() bool {
	select {
	case <-s.quit:
		return true
	default:
		return false
	}
}

// contextError is the reason of a stream that ended because its context did.
func (s *Stream) contextError() error { return s.near.failed(s.ctx, s.ctx.Err()) }

// end gives the connection up.
func (s *Stream) end() {
	s.socket.interrupt()
	<-s.done
	s.release()
}
