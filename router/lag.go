package router

import (
	"math"
	"time"
)

// lag is how late this node acts, as its own timers tell. While it has no time, answers that are here wait unread, or are dropped: that
// they are not seen says nothing of who sent them, and how long they took nothing of the way. So links wait longer for answers, and what
// is measured does not count. (Dadgar, Phillips and Currey, "Lifeguard", 2017, call it local health awareness.) It belongs to the control
// goroutine.
type lag struct {
	late time.Duration // by which control was late
	at   time.Time     // when that was noted last
	trip time.Duration // that answers take, while this node is behind
}

const (
	// behindFrom is how late a node is that cannot tell what is lost on the way from what is lost here.
	behindFrom = 200 * time.Millisecond
	// lagMost bounds both: a process that was stopped is very late, once.
	lagMost = 5 * time.Second
)

// note takes how late control was, for each peer whose turn it is. What is later counts at once. It is forgotten by and by: by an eighth each
// time, and by half in a second at least, for a node of few peers has few turns.
func (l *lag) note(late time.Duration, now time.Time) {
	faded := float64(l.late) * math.Exp2(-now.Sub(l.at).Seconds())
	l.late, l.at = peak(time.Duration(faded), late), now
	if !l.isBehind() {
		l.trip = 0
	}
}

// noteTrip takes how long an answer took that came while this node was behind.
func (l *lag) noteTrip(took time.Duration) { l.trip = peak(l.trip, took) }

func peak(before, now time.Duration) time.Duration {
	now = min(now, lagMost)
	return max(now, before-(before-now)/8)
}

func (l *lag) isBehind() bool { return l.late >= behindFrom }

// patience is the round trip after which links may expect an answer that takes that long if nobody is behind.
func (l *lag) patience(roundTrip time.Duration) time.Duration { return max(roundTrip, l.late, l.trip) }
