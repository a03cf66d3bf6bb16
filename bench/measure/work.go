package measure

import (
	"context"
	"fmt"
)

// workDetails are what the routers' own totals tell beside a figure: how much one grew during the measure, for each one by which
// another grew. The totals have the names of the object "fastpath" in the daemon's status, those of objects in it after a
// point. A total that a router does not have gives no detail.
var workDetails = []struct {
	detail string
	total  string
	per    string // empty: the growth itself
}{
	{"segments_per_superpacket_out", "queues.segments_read", "queues.superpackets_read"},
	{"segments_per_superpacket_in", "packets_in", "superpackets_in"},
	{"frames_per_call_out", "packets_out", "send_calls"},
	{"frames_per_call_in", "frames_in", "receive_calls"},
	{"spins", "spins", ""},
	{"waits", "waits", ""},
}

// routerWork are the totals that the routers tell of their work; none when they do not tell.
func routerWork(ctx context.Context, t Target) (map[string]uint64, error) {
	if t.RouterWork == nil {
		return nil, nil
	}
	totals, err := t.RouterWork(ctx)
	if err != nil {
		return nil, fmt.Errorf("measure: work of the routers: %w", err)
	}
	return totals, nil
}

// growth is by how much totals have grown. One that went down began anew, as that of a router that was restarted.
func growth(now, before map[string]uint64) map[string]uint64 {
	grown := map[string]uint64{}
	for name, n := range now {
		grown[name] = n
		if n >= before[name] {
			grown[name] = n - before[name]
		}
	}
	return grown
}

// explain are the details that the growth of totals gives.
func explain(grown map[string]uint64) map[string]float64 {
	details := map[string]float64{}
	for _, d := range workDetails {
		n, counted := grown[d.total]
		switch {
		case !counted:
		case d.per == "":
			details[d.detail] = float64(n)
		case grown[d.per] > 0:
			details[d.detail] = float64(n) / float64(grown[d.per])
		}
	}
	return details
}
