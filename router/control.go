package router

import (
	"context"
	"time"

	"github.com/weftnet/weft/encap"
)

// maxControlFrame is the longest control or handshake frame that is sent or taken: it fits the IPv6 minimum MTU of 1280.
const maxControlFrame = 1232

// message is a frame on its way from a lane to control, in memory of its own.
type message struct {
	typ     encap.Type
	from    encap.Endpoint
	frame   []byte
	binding *binding // of control frames
	through *peer    // of those: the relay that they came from; nil: they came straight
}

// How many of each kind control takes in a turn, before links and sessions act on what came: so that where much waits of one kind the
// others go on, and a peer of which several frames came acts once. All that strangers may send comes last, and least of it.
const (
	turnResults = maxDone // of curve work: all
	turnAnswers = 16      // to initiations of ours
	turnControl = 32      // frames of sessions
	turnCalls   = 16      // of other goroutines
	turnHearsay = 4       // gossip frames without a session
)

func (r *Router) runControl(ctx context.Context, failed <-chan error) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	passed := make(chan time.Time)
	close(passed)
	for {
		var due <-chan time.Time = timer.C
		if r.takeTurn() {
			due = passed
		}
		if ended, err := r.takeAny(ctx, failed, due); ended {
			return err
		}
		r.announce()
		timer.Reset(r.step())
	}
}

// takeTurn takes what waits, as much as is one turn's, and reports whether there was anything.
func (r *Router) takeTurn() bool {
	n := takeSome(r.curve.done, turnResults, func(f func()) { f() })
	n += takeSome(r.handshakes, turnAnswers, r.handleHandshake)
	n += takeSome(r.control, turnControl, r.handleControl)
	n += takeSome(r.calls, turnCalls, func(f func()) { f() })
	n += takeSome(r.hearsay, turnHearsay, r.handleHearsay)
	return n > 0
}

// takeSome takes up to most of what waits in a mailbox, and returns how many those were.
func takeSome[T any](from <-chan T, most int, take func(T)) int {
	for n := range most {
		select {
		case x := <-from:
			take(x)
		default:
			return n
		}
	}
	return most
}

// takeAny waits for something to do, until due, and does it.
func (r *Router) takeAny(ctx context.Context, failed <-chan error, due <-chan time.Time) (ended bool, err error) {
	select {
	case <-ctx.Done():
		r.farewell()
		return true, nil
	case err := <-failed:
		return true, err
	case f := <-r.calls:
		f()
	case m := <-r.control:
		r.handleControl(m)
	case m := <-r.handshakes:
		r.handleHandshake(m)
	case f := <-r.curve.done:
		f()
	case m := <-r.hearsay:
		r.handleHearsay(m)
	case <-due:
	}
	return false, nil
}

// longestSleep bounds how late control notices what lanes only note: that an idle path carries traffic now.
const longestSleep = time.Second

// step lets the links and sessions act that are due, and returns how long nothing will be.
func (r *Router) step() time.Duration {
	now := r.now()
	wait := min(r.stepHold(now), r.stepSecrets(now), r.stepLimiter(now), r.stepLinkState(now), r.touchRerouted(now))
	r.stepDue(now)
	wait = min(wait, r.stepCalls(now))
	if p := r.stepDue(now); p != nil { // who is called now, once more
		wait = min(wait, p.slot.due.Sub(now))
	}
	return wait
}

// stepDue steps the peers that are due, and returns the one that will be next; nil: there are none.
func (r *Router) stepDue(now time.Time) *peer {
	p := r.schedule.first()
	for ; p != nil && !p.slot.due.After(now); p = r.schedule.first() {
		if !p.slot.due.IsZero() {
			r.lag.note(now.Sub(p.slot.due), now)
		}
		r.schedule.set(p, now.Add(r.stepPeer(p, now)))
	}
	return p
}

// stepPeer lets a peer's links and session act, and returns how long nothing will be due: a millisecond at least.
func (r *Router) stepPeer(p *peer, now time.Time) time.Duration {
	r.actOn(p, now)
	wait := min(longestSleep, r.duePath(p, now), r.stepBacklog(p), r.stepSize(p, now).Sub(now), r.stepPunch(p, now),
		r.stepRivals(p, now))
	if due := p.session.Due(); !due.IsZero() { // not a moment later are frames under old keys taken
		wait = min(wait, due.Sub(now))
	}
	return max(wait, time.Millisecond)
}

// actOn does what is due.
func (r *Router) actOn(p *peer, now time.Time) {
	r.stepPath(p, now)
	p.session.Expire(now)
	if path := p.path.Load(); path != nil && (p.session.NeedsRekey(now) || p.outdated()) && p.preparing == 0 && now.Sub(p.probes.rekeyed) > max(time.Second, 3*p.roundTrip()) {
		p.probes.rekeyed = now
		r.initiate(p, []encap.Endpoint{path.endpoint}, now)
	}
}

// transmit sends one control frame to each endpoint, marked CS6. Loss is the link's business, not the caller's.
func (r *Router) transmit(frame []byte, to ...encap.Endpoint) {
	trains := make([]encap.Train, 0, maxCandidates)
	for _, e := range to {
		trains = r.appendControl(trains, frame, e)
	}
	r.sendTrains(trains)
}

// appendControl adds a control frame on its way to an endpoint, along the route where that is a relayed one. A frame that has no way is
// dropped and counted.
func (r *Router) appendControl(trains []encap.Train, frame []byte, to encap.Endpoint) []encap.Train {
	number, relayed := to.Relayed()
	if !relayed {
		return append(trains, controlTrain(frame, to))
	}
	t, ok := r.wrap(frame, number)
	if !ok {
		r.ctl.drop(RelayDown, 1)
		return trains
	}
	return append(trains, t)
}

// controlTrain is a control frame on its way, straight.
func controlTrain(frame []byte, to encap.Endpoint) encap.Train {
	return encap.Train{To: to, Bufs: [][]byte{frame}, Size: len(frame), DSCP: dscpCS6}
}

// sendTrains sends control frames, from any goroutine, and returns how many were sent.
func (r *Router) sendTrains(trains []encap.Train) int {
	result := r.controlConn().Send(trains)
	r.ctl.drop(TooBig, result.TooBig)
	r.ctl.drop(Unreachable, result.Unreachable)
	r.ctl.drop(SendFailed, result.Failed)
	return result.Sent
}

const dscpCS6 = 48 // RFC 2474: network control
