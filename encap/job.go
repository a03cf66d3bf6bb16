package encap

import (
	"errors"
	"time"
)

// Job is one step of a handshake: its curve operations, which take some 100 us of a CPU, stand apart from what changes the
// session, so that the goroutine that owns the session never waits for them.
//
// Compute does the curve work. Any goroutine may call it, once. Finish brings the result into the session: the session's owner
// calls it, once, after Compute. A job whose session has gone on meanwhile, or is closed, finishes with ErrSuperseded.
type Job struct {
	compute func()
	finish  func(now time.Time) (frame []byte, err error)
}

// ErrSuperseded says that a step of a handshake came to nothing, because its session was closed, or began another.
var ErrSuperseded = errors.New("encap: step of a handshake superseded")

// Compute does the curve work.
func (j *Job) Compute() { j.compute() }

// Finish brings the result into the session, and returns the frame that is to be sent to the peer, if there is one.
func (j *Job) Finish(now time.Time) (frame []byte, err error) { return j.finish(now) }

// do is Compute and Finish at once.
func (j *Job) do(now time.Time) (frame []byte, err error) {
	j.Compute()
	return j.Finish(now)
}
