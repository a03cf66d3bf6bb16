// Package bed builds what the bench measures: for every subject the same two virtual hosts with a pod behind a bridge on
// each, connected in the subject's way.
//
// Words. A bed is a lab of its own with the hosts a and b, where one subject is up. The cable is what connects the hosts:
// eth0 on each, and the switch between them. The addressing is the same in every bed: a owns 10.90.1.0/24 and b
// 10.90.2.0/24, the pods are 10.90.1.10 and 10.90.2.10; traffic is measured from a to b, over IPv4.
//
// Ownership. A bed belongs to the context that it was made with: when that ends, its processes are killed. Close removes
// everything that the bed made. Routers and Ended of a Running may be called while Restart runs; everything else of a bed is
// used by one goroutine at a time.
//
// Always. A bed whose New succeeded has carried packets in both directions in the way that its name says: a subject that
// came up otherwise (another driver, in clear instead of sealed, through a relay) is an error.
package bed

import (
	"context"
	"errors"
	"fmt"

	"github.com/weftnet/weft/bench/measure"
	"github.com/weftnet/weft/lab"
)

// ErrNoRouter is the answer of subjects that forward in the kernel, when they are asked to restart their router.
var ErrNoRouter = errors.New("bed: the subject has no router in user space")

// Options say what kind of beds to make.
type Options struct {
	MTU        int    // bytes, of the underlay; 0: 1500
	OverlayMTU int    // bytes, of the pods' interfaces; 0: what the subject leaves. The underlay has no pods and keeps MTU
	Rate       uint64 // bit/s of each host's cable; 0: unlimited
	Binary     string // weft's executable
}

// withDefaults fills in what is not given.
func (o Options) withDefaults() Options {
	if o.MTU == 0 {
		o.MTU = defaultMTU
	}
	return o
}

// Subject is one way to connect two hosts. A subject is one file of this package.
type Subject interface {
	Name() string
	About() string                         // one line
	Overhead() int                         // bytes of an underlay packet that are not overlay packet, over IPv4; 0: none
	Unavailable(ctx context.Context) error // why it cannot run here; nil when it can
	// Up connects the hosts of an empty bed, makes its pods and fills in the Target's places. The bed awaits the connection.
	Up(ctx context.Context, b *Bed) (Running, error)
}

// Running is a subject at work on a bed.
type Running interface {
	Routers() []int                                         // pids of those that run now; empty for kernel subjects
	Restart(ctx context.Context) error                      // of host b's router; ErrNoRouter
	Details(ctx context.Context) (map[string]string, error) // driver, cipher, path and the like
	Check(ctx context.Context) error                        // whether it still runs as the subject's name says
	Ended() error                                           // which router ended without being asked, and its last words; nil: none
}

// Bed is one lab with two hosts and, when the subject is up, a pod on each.
type Bed struct {
	*lab.Lab
	Options Options
	A, B    *lab.Host
	Subject Subject
	Running Running
	Target  measure.Target
}

// New makes a bed: a lab with two hosts, and the subject up between them. It returns when packets have gone from one pod to
// the other and back, at most after some 15 s. What it made is removed again when it fails.
func New(ctx context.Context, o Options, s Subject) (made *Bed, err error) {
	o = o.withDefaults()
	if err := Check(o, []Subject{s}); err != nil {
		return nil, err
	}
	l, err := lab.New(ctx, lab.Options{MTU: o.MTU, Rate: o.Rate})
	if err != nil {
		return nil, fmt.Errorf("bed: %s: %w", s.Name(), err)
	}
	defer func() {
		if made == nil { // also when the subject panicked
			err = errors.Join(err, l.Close())
		}
	}()
	b := &Bed{Lab: l, Options: o, Subject: s}
	if err := b.up(ctx); err != nil {
		return nil, fmt.Errorf("bed: %s: %w", s.Name(), err)
	}
	return b, nil
}

// up makes the hosts, connects them and waits for the first packets.
func (b *Bed) up(ctx context.Context) (err error) {
	if b.A, err = b.Host("a"); err != nil {
		return err
	}
	if b.B, err = b.Host("b"); err != nil {
		return err
	}
	if b.Running, err = b.Subject.Up(ctx, b); err != nil {
		return err
	}
	b.Target.Routers, b.Target.Rate = b.Running.Routers, b.Options.Rate
	if d, ok := b.Running.(dropper); ok {
		b.Target.RouterDrops = d.drops
	}
	if w, ok := b.Running.(worker); ok {
		b.Target.RouterWork = w.work
	}
	if len(b.Running.Routers()) > 0 {
		b.Target.Restart = b.Running.Restart
	}
	return b.awaitReach(ctx)
}
