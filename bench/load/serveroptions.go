package load

import "time"

// What a server allows when nothing is said.
const (
	DefaultMaxWithin = 10 * time.Minute
	DefaultMaxJobs   = 16
)

// ServerOptions are the limits of a server. The zero value has the defaults.
type ServerOptions struct {
	MaxWithin time.Duration // the longest life of a job; 0: DefaultMaxWithin
	MaxJobs   int           // at the same time; 0: DefaultMaxJobs
	MaxRate   uint64        // bit/s of payload that one job of kind source-tcp sends; 0: unlimited
}
