package router

import (
	"runtime"

	"github.com/weftnet/weft/encap"
)

// curve does the curve operations of handshakes, some 100 us of a CPU for each step, in goroutines of its own: control only
// begins a step and takes its result. What waits is bounded; what finds no room is dropped, and asked for again by its peer or by
// the link.
//
// What ends a handshake comes before what begins one: else a node that has more to do than time for it begins ever more, and finishes what
// nobody waits for any more.
type curve struct {
	ends  chan step    // of our sessions, begun by control: answers to initiations, and what comes of answers to ours
	calls chan step    // likewise: initiations of ours
	heard chan message // initiations
	done  chan func()  // results; each is for the control goroutine
}

// step is a job of a peer's session, and who takes its result in the control goroutine.
type step struct {
	peer *peer
	job  *encap.Job
	take func(frame []byte, err error)
}

const (
	maxSteps = 1024 // of either kind: a node has at most one initiation and few answers under way for each peer
	maxHeard = 512
	// maxAnswers is how many answers to initiations of ours may wait for control: all peers may answer at once after a start.
	maxAnswers = 512
	maxDone    = 16
)

func newCurve() curve {
	return curve{
		ends: make(chan step, maxSteps), calls: make(chan step, maxSteps), heard: make(chan message, maxHeard),
		done: make(chan func(), maxDone),
	}
}

// curveWorkers is how many goroutines do curve work: half of the CPUs, so that handshakes never take all of them from the lanes.
func curveWorkers() int { return max(1, runtime.GOMAXPROCS(0)/2) }

// runCurve does curve work until the router stops. Go chooses at random where both our initiations and those of others wait, so that
// neither keeps the other waiting.
func (r *Router) runCurve() {
	for {
		select {
		case s := <-r.curve.ends:
			r.compute(s)
			continue
		default:
		}
		select {
		case s := <-r.curve.ends:
			r.compute(s)
		case s := <-r.curve.calls:
			r.compute(s)
		case m := <-r.curve.heard:
			msg, err := r.cfg.Local.ReadInitiation(m.frame)
			r.result(func() { r.takeInitiation(m.from, msg, err) })
		case <-r.done:
			return
		}
	}
}

// compute does the curve work of a step.
func (r *Router) compute(s step) {
	s.job.Compute()
	r.result(func() { r.finish(s) })
}

// finish takes the result of a step, in control.
func (r *Router) finish(s step) {
	r.touch(s.peer)
	s.take(s.job.Finish(r.now()))
}

// result hands control what came of curve work.
func (r *Router) result(f func()) {
	select {
	case r.curve.done <- f:
	case <-r.done:
	}
}

// full reports whether no further step may begin now. Only control begins any, so what has room keeps it.
func full(steps chan step) bool { return len(steps) == cap(steps) }

// begin gives a step of a peer's session to the workers; full has said that there is room.
func (r *Router) begin(to chan<- step, p *peer, job *encap.Job, take func(frame []byte, err error)) {
	r.touch(p)
	to <- step{peer: p, job: job, take: take}
}
