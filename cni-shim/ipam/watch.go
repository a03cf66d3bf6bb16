package ipam

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// VanishedAfter is for how long the host end of a held record has to be missing until the pod counts as vanished: an ADD that is under
// way has a record before it has a host end.
const VanishedAfter = 60 * time.Second

// Watch finds vanished pods, for the daemon: it remembers since when it has missed the host ends of held records. That lies in memory
// alone: after a restart of the daemon the time begins again, and nothing is freed early. One goroutine uses it.
type Watch struct {
	book   *Book
	missed map[hold]time.Duration // uptime at which a host end was missed first
}

// hold is one record: an attachment that is released and made anew is another one.
type hold struct {
	Key
	uptime int64
}

// Watch returns a watch that has missed nothing yet.
func (b *Book) Watch() *Watch { return &Watch{book: b, missed: map[hold]time.Duration{}} }

// Free frees the addresses of held records whose host end was missing whenever it was called for VanishedAfter, and those that earlier
// boots held. It returns these records. Their addresses can be given at once: nobody has used them for longer than Quarantine. names
// gives the names of all interfaces of the host's namespace; it is not called where nothing is held, and called once more under the lock
// before anything is freed. A record without the name of a host end is left alone.
//
// It is to be called every few seconds: where nothing is due, nothing is locked or written. The error is a *DamagedError, a *BusyError,
// that of names or of the file system; nothing is freed then, and the next call tries again.
func (w *Watch) Free(ctx context.Context, names func() (map[string]bool, error)) ([]Record, error) {
	c, err := w.book.read()
	if err != nil {
		return nil, err
	}
	earlier := c.expire(w.book.opts.BootID, w.book.opts.Uptime())
	due, err := w.look(c.Records, names)
	if err != nil || !due && len(earlier) == 0 {
		return nil, err
	}
	var freed []Record
	err = w.book.change(ctx, func(c *contents, earlier []Record) (bool, error) {
		vanished, err := w.remove(c, names)
		freed = append(earlier, vanished...)
		return len(freed) > 0, err
	})
	if err != nil {
		return nil, err
	}
	return freed, nil
}

// look notes which host ends are missing, forgets those that are not, and reports whether a record is due to be freed.
func (w *Watch) look(records []Record, names func() (map[string]bool, error)) (due bool, err error) {
	watched := slices.DeleteFunc(slices.Clone(records), func(r Record) bool { return r.State != Held || r.HostEnd == "" })
	missed := map[hold]time.Duration{}
	if len(watched) > 0 {
		there, err := names()
		if err != nil {
			return false, fmt.Errorf("ipam: list host ends: %w", err)
		}
		now := w.book.opts.Uptime()
		for i := range watched {
			due = w.miss(missed, &watched[i], there, now) || due
		}
	}
	w.missed = missed
	return due, nil
}

// miss notes in missed the record whose host end is not there, and reports whether that is so for VanishedAfter.
func (w *Watch) miss(missed map[hold]time.Duration, r *Record, there map[string]bool, now time.Duration) bool {
	if there[r.HostEnd] {
		return false
	}
	k := hold{r.Key, r.Uptime}
	since, known := w.missed[k]
	if !known {
		since = now
	}
	missed[k] = since
	return now-since >= VanishedAfter
}

// remove takes the records that are due from the contents, and returns them.
func (w *Watch) remove(c *contents, names func() (map[string]bool, error)) (removed []Record, err error) {
	there, err := names()
	if err != nil {
		return nil, fmt.Errorf("ipam: list host ends: %w", err)
	}
	now := w.book.opts.Uptime()
	c.Records = slices.DeleteFunc(c.Records, func(r Record) bool {
		since, missed := w.missed[hold{r.Key, r.Uptime}]
		if r.State != Held || !missed || there[r.HostEnd] || now-since < VanishedAfter {
			return false
		}
		removed = append(removed, r)
		return true
	})
	return removed, nil
}
