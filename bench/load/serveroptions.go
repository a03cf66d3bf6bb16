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
	Throttle  *Throttle     // holds back what all jobs send: source-tcp, echo-tcp, echo-udp; several servers may share it; nil: nothing does
}
