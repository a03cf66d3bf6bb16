package encap

import (
	"slices"
	"time"
)

// Bounds of what a Rejoiner remembers.
const (
	rejoinLife  = time.Second // of a frame, from its first part on
	rejoinEach  = 128 << 10   // bytes of the frames of one index and lane: the longest, and some behind it
	rejoinTotal = 1 << 20     // bytes of all frames: of 8 peers that use their share
	rejoinLeast = 2 << 10     // bytes that a frame counts for at least: so there are not many
)

// Rejoiner puts frames together of their parts. It is for one goroutine, and the time comes as an argument.
//
// A frame takes memory with its first part. When an index has more than its share the oldest of its frames is given up, and
// when all have, the oldest of all.
type Rejoiner struct {
	waiting []*rejoined // oldest first
	bytes   int         // of waiting
	whole   []*rejoined // given out since the last Release
	spare   []*rejoined
	lost    int
}

// rejoined is a frame of which parts are there.
type rejoined struct {
	parts Parts
	since int64
	left  int // parts that are missing
	have  [maxParts/64 + 1]uint64
	ecn   uint8
	frame []byte
}

// cost is how many bytes a frame counts for.
func cost(p *Parts) int { return max(p.Length, rejoinLeast) }

// ecnCE is the ECN codepoint of congestion (RFC 3168).
const ecnCE = 3

// Add takes a part. With the last one of a frame it returns that and its ECN codepoint: CE if that of any part is, else the
// first one's (RFC 3168, section 5.3). The frame is borrowed until Release. now is any clock in nanoseconds that does not go
// back. A part that has come before changes nothing; nor does one that contradicts the parts before it.
func (r *Rejoiner) Add(p Parts, number int, piece []byte, ecn uint8, now int64) (frame []byte, _ uint8) {
	f := r.find(p)
	if f == nil {
		f = r.begin(p, ecn, now)
	}
	if f.parts != p || f.have[number/64]&(1<<(number%64)) != 0 {
		return nil, 0
	}
	f.have[number/64] |= 1 << (number % 64)
	begin, end := p.Piece(number)
	copy(f.frame[begin:end], piece)
	if ecn == ecnCE {
		f.ecn = ecnCE
	}
	if f.left--; f.left > 0 {
		return nil, 0
	}
	r.remove(slices.Index(r.waiting, f))
	r.whole = append(r.whole, f)
	return f.frame, f.ecn
}

// Waiting is how many frames are not whole yet.
func (r *Rejoiner) Waiting() int { return len(r.waiting) }

// find is the frame that a part belongs to: mostly the newest.
func (r *Rejoiner) find(p Parts) *rejoined {
	for _, f := range slices.Backward(r.waiting) {
		if f.parts.ID == p.ID && f.parts.Index == p.Index && f.parts.Lane == p.Lane {
			return f
		}
	}
	return nil
}

// begin makes room for a frame.
func (r *Rejoiner) begin(p Parts, ecn uint8, now int64) *rejoined {
	r.expire(now)
	r.limit(p)
	f := r.take()
	*f = rejoined{parts: p, since: now, left: p.Count, ecn: ecn, frame: slices.Grow(f.frame[:0], p.Length)[:p.Length]}
	r.waiting = append(r.waiting, f)
	r.bytes += cost(&p)
	return f
}

// limit gives up frames until there is room for one more.
func (r *Rejoiner) limit(p Parts) {
	each := cost(&p)
	for i, f := range slices.Backward(r.waiting) {
		if f.parts.Index != p.Index || f.parts.Lane != p.Lane {
			continue
		}
		if each += cost(&f.parts); each > rejoinEach {
			r.giveUp(i)
		}
	}
	for r.bytes+cost(&p) > rejoinTotal {
		r.giveUp(0)
	}
}

// expire gives up what has waited too long.
func (r *Rejoiner) expire(now int64) {
	for len(r.waiting) > 0 && now-r.waiting[0].since >= int64(rejoinLife) {
		r.giveUp(0)
	}
}

func (r *Rejoiner) giveUp(i int) {
	r.spare = append(r.spare, r.waiting[i])
	r.remove(i)
	r.lost++
}

func (r *Rejoiner) remove(i int) {
	r.bytes -= cost(&r.waiting[i].parts)
	r.waiting = slices.Delete(r.waiting, i, i+1)
}

// maxSpare bounds the memory that is kept for later frames.
const maxSpare = 64

func (r *Rejoiner) take() *rejoined {
	n := len(r.spare)
	if n == 0 {
		return new(rejoined)
	}
	f := r.spare[n-1]
	r.spare = r.spare[:n-1]
	return f
}

// Release takes back the frames that were given out, gives up those that have waited too long, and returns how many frames were
// given up since the last Release. It costs nothing where there are none.
func (r *Rejoiner) Release(now int64) (lost int) {
	r.expire(now)
	r.spare = append(r.spare, r.whole...)
	clear(r.whole)
	r.whole = r.whole[:0]
	if len(r.spare) > maxSpare {
		clear(r.spare[maxSpare:])
		r.spare = r.spare[:maxSpare]
	}
	lost, r.lost = r.lost, 0
	return lost
}
