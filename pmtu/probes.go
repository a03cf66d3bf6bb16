package pmtu

import "time"

// Probe is a probe that is to be sent: a packet of that size, which the peer answers with a short one that has the ID.
type Probe struct {
	ID   uint64
	Size int
}

// lateness is how long after a probe was sent its answer still counts.
const lateness = 2 * time.Second

// sent is a probe on its way.
type sent struct {
	Probe
	at      time.Time
	settled bool // answered or refused
}

// record remembers the latest probes.
type record struct {
	last uint64
	ring [64]sent // by ID modulo its length; a round has fewer
}

func (r *record) send(size int, now time.Time) Probe {
	r.last++
	p := Probe{ID: r.last, Size: size}
	r.ring[r.last%uint64(len(r.ring))] = sent{Probe: p, at: now}
	return p
}

// take settles a probe; nil: there is none of that ID, it is settled already, or it is too long ago.
func (r *record) take(id uint64, now time.Time) *sent {
	p := &r.ring[id%uint64(len(r.ring))]
	if id == 0 || p.ID != id || p.settled || now.Sub(p.at) > lateness {
		return nil
	}
	p.settled = true
	return p
}
