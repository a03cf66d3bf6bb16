package linkstate

import "time"

// bucket bounds a rate: so many a second, and so many at once. Its zero value is full.
type bucket struct {
	used float64
	at   time.Time
}

// take reports whether one more is within the rate, and counts it if it is.
func (b *bucket) take(now time.Time, perSecond, atOnce float64) bool {
	if !b.room(now, perSecond, atOnce) {
		return false
	}
	b.used++
	return true
}

// room reports whether one more would be within the rate.
func (b *bucket) room(now time.Time, perSecond, atOnce float64) bool {
	b.used = max(0, b.used-now.Sub(b.at).Seconds()*perSecond)
	b.at = now
	return b.used+1 <= atOnce
}

// next is when there will be room for one more: now, or a time at which room says so.
func (b *bucket) next(now time.Time, perSecond, atOnce float64) time.Time {
	if b.room(now, perSecond, atOnce) {
		return now
	}
	wait := time.Duration((b.used + 1 - atOnce) / perSecond * float64(time.Second))
	return now.Add(wait + time.Millisecond) // what is rounded is far less
}
