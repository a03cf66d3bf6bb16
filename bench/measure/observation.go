package measure

// What stands beside figures.
const (
	DetailDrops       = "drops"       // packets lost on the way, each once: CounterDrops
	DetailRetransmits = "retransmits" // TCP segments that were sent again
	DetailLoss        = "loss"        // share, 0 to 1
	DetailOffered     = "offered"     // packets/s that were sent
	DetailLost        = "lost"        // requests without an answer
	DetailLoad        = "load"        // bit/s of the transfer that ran meanwhile
)

// Observation is what happened around a measure.
type Observation struct {
	// Foreign is the share of the machine, 0 to 1, that was taken by processes that are neither this one, nor a router of
	// the subject, nor descend from those, nor are the kernel's threads; by routers of other subjects; and by the hypervisor
	// (steal).
	Foreign float64
	// Counters are the increases of the kernel's counters, and of the routers' own if they tell, summed over Target.Spaces; see the Counter constants.
	Counters map[string]uint64
	// Work is by how much the totals of the routers' work have grown; empty when they do not tell.
	Work map[string]uint64
}

// Merge puts "drops" and "retransmits" beside each reading that has none from its measure itself: what the kernel counted
// during the whole measure; and what explains how the routers worked meanwhile. The runner calls it with what Run and End returned, and goes on with what it returns, which is
// the same slice.
func Merge(readings []Reading, o Observation) []Reading {
	beside := map[string]string{DetailDrops: CounterDrops, DetailRetransmits: CounterRetransmits}
	details := explain(o.Work)
	for detail, counter := range beside {
		if value, counted := o.Counters[counter]; counted {
			details[detail] = float64(value)
		}
	}
	for i := range readings {
		readings[i].add(details)
	}
	return readings
}

// add puts details beside a reading that does not have them.
func (r *Reading) add(details map[string]float64) {
	for name, value := range details {
		if _, known := r.Detail[name]; known {
			continue
		}
		if r.Detail == nil {
			r.Detail = map[string]float64{}
		}
		r.Detail[name] = value
	}
}
