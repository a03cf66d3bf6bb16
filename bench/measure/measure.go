// Package measure holds what the bench does to a subject: each measure has a file of its own, takes two places that
// reach each other, and returns figures.
//
// Words. A target is a subject that is up. A reading is one figure; its details stand beside it. A watch is what looks at
// the machine and at the kernel's counters around a measure; what it saw is an observation, and a finding is what follows
// from it, or from the transfer that verifies the payload, for the subject's checks.
//
// Ownership. Measures are values without state, and one is run at a time on a machine: a second would be measured with the
// first. A round runs them in the order of All. What a measure starts has ended when Run returns, also after an error or
// the end of its context.
//
// Always. A figure was measured, or there is none: a measure fails, or it leaves out a reading that the subject cannot have, as
// that of the memory of a router when the kernel forwards. An error is one line that names both ends.
package measure

import (
	"context"
	"net/netip"
	"time"

	"github.com/weftnet/weft/bench/report"
	"github.com/weftnet/weft/lab"
)

// Target is a subject that is up: two places between which traffic is measured.
type Target struct {
	From, To         *lab.Namespace
	FromAddr, ToAddr netip.Addr
	Hosts            HostPair                                         // of hosts whose pods From and To are; the zero HostPair: From and To are hosts themselves
	Rate             uint64                                           // bit/s of the hosts' cables; 0: unlimited
	MTU              int                                              // bytes, of the interfaces in From and To
	Routers          func() []int                                     // pids of the routers in user space at this moment; empty for kernel subjects
	Restart          func(context.Context) error                      // restarts the router beside To and returns when it is started; nil: there is none
	RouterDrops      func(context.Context) (uint64, error)            // packets that the routers dropped since their start; nil: they do not tell
	RouterWork       func(context.Context) (map[string]uint64, error) // totals of the routers' work by name, see workDetails; nil: they do not tell
	Others           func() []int                                     // pids of the routers of other subjects that are up: what they use is foreign; may be nil
	Spaces           []*lab.Namespace                                 // all namespaces whose counters belong to the subject
}

// Lengths say how long the parts of the measures take.
type Lengths struct {
	Bulk    time.Duration // of one TCP transfer
	Trial   time.Duration // of one step in the search for the highest UDP rate
	Trials  int           // steps of that search
	Latency time.Duration // of one series of round trips
	Connect time.Duration // of opening connections
}

// Reading is one figure.
type Reading struct {
	Metric string // ID of one of the measure's Metrics
	Value  float64
	Detail map[string]float64 // shown beside it: "retransmits", "loss", "drops"
}

// Patient is a Measure that may take much longer than its Cost, when the subject is slow to recover.
type Patient interface {
	Limit() time.Duration // after which Run is broken off
}

// Measure is one thing that is done to a subject.
//
// Run returns at most one reading for each of the Metrics. One that is missing without an error does not exist for this
// subject, and is no failure. Run may take longer than Cost, by what a path that does not answer is waited for.
type Measure interface {
	ID() string                 // "tcp1"
	About() string              // one line
	Metrics() []report.Metric   // what Run gives
	Cost(Lengths) time.Duration // about how long Run takes
	Run(context.Context, Target, Lengths) ([]Reading, error)
}
