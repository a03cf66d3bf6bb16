// Package load makes traffic and times it: generators for the near end and a server for the far end. The bench runs both in
// one process, in two namespaces; 'weft bench --between' runs them on two machines.
//
// Words. The near end is where a generator runs and decides; the far end does jobs for it. A place is where an end makes its
// sockets. A tally is what arrived at the far end. A token is what a job's own traffic is known by.
//
// Ownership. What waits for packets waits in blocking system calls: the kernel wakes the thread that measures and no other.
// Every socket has one reader and one writer; the goroutine that made it closes it, anyone may interrupt it. What arrived for
// a job is counted by its ledger alone.
//
// Always. A generator returns when its context ends, with the context's error, and leaves no goroutine, no socket and no
// job. What arrived is counted where it arrived, not where it was sent. Errors name the operation and both ends.
package load

import (
	"context"
	"net/netip"
	"time"
)

// Place is where sockets are made: a namespace of the lab, or Here.
type Place interface {
	Do(func() error) error
}

// Kind is what the far end does.
type Kind string

// The kinds of jobs.
const (
	SinkTCP   Kind = "sink-tcp"   // takes bytes on any number of connections
	SourceTCP Kind = "source-tcp" // sends bytes on any number of connections until they are closed
	EchoTCP   Kind = "echo-tcp"   // sends back what it gets, on any number of connections one after the other or at once
	EchoUDP   Kind = "echo-udp"   // sends back datagrams
	SinkUDP   Kind = "sink-udp"   // counts datagrams
	CheckUDP  Kind = "check-udp"  // counts datagrams and compares all their bytes
	AcceptTCP Kind = "accept-tcp" // answers one byte with one byte and closes, for every connection
)

// Token marks the connections and datagrams of one job, so that a port open to others takes nothing else. A TCP connection
// begins with it (16 bytes), a datagram begins with its first 8 bytes.
type Token [16]byte

// Job is one thing for the far end to do. It ends by Remote.Finish, or by itself after Within.
//
// From and Pin say who may use it besides having to show the token: without both, everybody. Connections of others are reset
// at once, their datagrams are dropped.
type Job struct {
	Kind   Kind
	Token  Token
	Within time.Duration // at most the server's MaxWithin; 0: that
	From   []netip.Addr
	Pin    bool // the first other address that shows the token is taken as well, and then no further one
}

// Far is the far end: a Server in this process, or the client of one on another machine.
type Far interface {
	// Start makes the far end ready: when it returns, the port takes traffic.
	Start(ctx context.Context, j Job) (Remote, error)
}

// Remote is a job under way.
type Remote interface {
	Addr() netip.AddrPort // where the near end sends to
	// Tally is what has arrived so far. A tally may be asked for many times.
	Tally(ctx context.Context) (Tally, error)
	// Finish ends the job, gives its ports back, and returns the last tally.
	Finish(ctx context.Context) (Tally, error)
}

// Tally is what arrived at the far end.
type Tally struct {
	Connections uint64
	Bytes       uint64        // of payload, without tokens of connections
	Datagrams   uint64        // all that carried the token
	Highest     uint64        // highest sequence number seen plus one
	Duplicates  uint64        // seen before, or too old to know
	Elapsed     time.Duration // from the first to the last byte or datagram
	LongestGap  time.Duration // the longest time between two reads that brought bytes
	Overflow    uint64        // datagrams that the far socket's own buffer dropped
	Damaged     uint64        // of check-udp: datagrams that are not what was sent; they do not count as Datagrams
}

// Unique is how many different datagrams arrived.
func (t Tally) Unique() uint64 { return t.Datagrams - t.Duplicates }
