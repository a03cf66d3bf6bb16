// Package bed builds what the bench measures: for every subject the same two virtual hosts with a pod behind a bridge on
// each, connected in the subject's way.
package bed

import (
	"context"
	"errors"

	"github.com/weftnet/weft/bench/measure"
	"github.com/weftnet/weft/lab"
)

// ErrNoRouter is the answer of subjects that forward in the kernel, when they are asked to restart their router.
var ErrNoRouter = errors.New("bed: the subject has no router in user space")

// Options say what kind of beds to make.
type Options struct {
	MTU        int    // bytes, of the underlay; 0: 1500
	OverlayMTU int    // bytes, of the pods' interfaces; 0: what the subject leaves
	Rate       uint64 // bit/s of each host's cable; 0: unlimited
	Binary     string // weft's executable
}

// Subject is one way to connect two hosts. A subject is one file of this package.
type Subject interface {
	Name() string
	About() string                         // one line
	Overhead() int                         // bytes of an underlay packet that are not overlay packet; 0: none
	Unavailable(ctx context.Context) error // why it cannot run here; nil when it can
	// Up connects the hosts of an empty bed and makes its pods. The bed awaits the connection.
	Up(ctx context.Context, b *Bed) (Running, error)
}

// Running is a subject at work on a bed.
type Running interface {
	Routers() []int                                         // pids; empty for kernel subjects
	Restart(ctx context.Context) error                      // of host b's router; ErrNoRouter
	Details(ctx context.Context) (map[string]string, error) // driver, cipher, path and the like
}

// Bed is one lab with two hosts and, when the subject is up, a pod on each.
type Bed struct {
	*lab.Lab
	A, B    *lab.Host
	Subject Subject
	Running Running
	Target  measure.Target
}
