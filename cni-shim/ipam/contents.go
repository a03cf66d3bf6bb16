package ipam

import (
	"net/netip"
	"slices"
	"time"
)

// contents is what the book says.
type contents struct {
	Version int                         `json:"version"`
	Last    map[netip.Prefix]netip.Addr `json:"last,omitempty"` // by subnet, the address that was chosen last: the search goes on behind it
	Records []Record                    `json:"records"`        // in the order in which they were made
}

// expire drops what counts no more: records of other boots than boot, and those that have rested long enough at uptime. It returns those
// of the former that were held.
func (c *contents) expire(boot string, uptime time.Duration) (earlier []Record) {
	c.Records = slices.DeleteFunc(c.Records, func(r Record) bool {
		if r.BootID != boot && r.State == Held {
			earlier = append(earlier, r)
		}
		return r.BootID != boot || r.State == Released && r.rest(uptime) <= 0
	})
	return earlier
}

// rest is for how long the addresses of a released record rest still.
func (r *Record) rest(uptime time.Duration) time.Duration {
	return Quarantine - (uptime - time.Duration(r.Uptime)*time.Millisecond)
}

// held is what the attachment holds; nil: nothing.
func (c *contents) held(k Key) *Record {
	i := slices.IndexFunc(c.Records, func(r Record) bool { return r.State == Held && r.Key == k })
	if i < 0 {
		return nil
	}
	return &c.Records[i]
}

// release releases the held records that ended says, and returns them as they were.
func (c *contents) release(now stamp, ended func(*Record) bool) (released []Record) {
	for i := range c.Records {
		if r := &c.Records[i]; r.State == Held && ended(r) {
			released = append(released, *r)
			r.State, r.Since, r.Uptime = Released, now.wall, now.uptime
		}
	}
	return released
}

// stamp is a moment, as records have it.
type stamp struct {
	wall   time.Time
	uptime int64 // milliseconds since boot
}
