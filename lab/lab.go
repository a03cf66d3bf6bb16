package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

const (
	defaultMTU = 1500
	minMTU     = 1280  // IPv6
	maxMTU     = 65535 // of a veth
)

// Options say what kind of lab to make. The zero value is a lab of MTU 1500 with a random id.
type Options struct {
	ID   string    // 1 to 16 of a-z and 0-9; default: random
	MTU  int       // of the underlay, 1280 to 65535; default: 1500
	Rate uint64    // of each host's cable and direction in bit/s, 100 000 to 100 000 000 000; default: unlimited
	Keep bool      // allow Keep: the processes outlive this one, and Sweep finds them should it be killed
	Out  io.Writer // a line for everything that is made; default: none
}

// withDefaults fills in what is not given and checks the rest.
func (o Options) withDefaults() (Options, error) {
	if o.ID == "" {
		o.ID = randomID()
	}
	if o.MTU == 0 {
		o.MTU = defaultMTU
	}
	if o.Out == nil {
		o.Out = io.Discard
	}
	return o, errors.Join(checkID(o.ID), checkMTU(o.MTU), checkRate(o.Rate))
}

func checkMTU(mtu int) error {
	if mtu < minMTU || mtu > maxMTU {
		return fmt.Errorf("lab: MTU %d: want %d to %d", mtu, minMTU, maxMTU)
	}
	return nil
}

// Lab is one underlay with its hosts.
type Lab struct {
	id       string
	dir      string
	mtu      int
	rate     uint64
	keep     bool
	record   record
	registry registry
	journal  journal
	unwatch  func() bool // stops watching the context

	mu      sync.Mutex // guards what follows, and serialises all changes of the topology
	out     io.Writer
	hub     *hub
	spaces  []*Namespace // all of them, in the order in which they were made
	hosts   []*Host
	cuts    map[cut]bool
	ended   bool // closed or kept: nothing is left to do
	closing bool // no new namespaces
}

// New sweeps what dead owners left and makes a lab without hosts. When ctx ends, all processes in the lab are killed and no
// new ones start, so that nothing waits for them; Close is needed all the same.
func New(ctx context.Context, o Options) (*Lab, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := Available(); err != nil {
		return nil, err
	}
	l := &Lab{id: o.ID, mtu: o.MTU, rate: o.Rate, keep: o.Keep, out: o.Out, registry: registry{Directory}, cuts: map[cut]bool{}}
	if err := l.begin(); err != nil {
		return nil, err
	}
	l.hub, err = newHub(l)
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	l.unwatch = context.AfterFunc(ctx, l.killAll)
	return l, nil
}

// begin enters the lab into the registry.
func (l *Lab) begin() (err error) {
	l.dir = l.registry.runDir(l.id)
	l.journal = journalOf(l.dir)
	if l.record, err = newRecord(); err != nil {
		return err
	}
	return l.registry.locked(func() error {
		swept, err := l.registry.sweep()
		for _, id := range swept {
			l.say("lab %s was left behind by a process that died: removed", id)
		}
		if err != nil {
			l.say("%v", err) // somebody else's run; it does not stop this one
		}
		return l.registry.begin(l.id, l.record)
	})
}

// say tells the user what was made.
func (l *Lab) say(format string, args ...any) {
	fmt.Fprintf(l.out, format+"\n", args...)
}

// ID is the lab's id, in the names of its namespaces.
func (l *Lab) ID() string { return l.id }

// Dir is the directory of the run; it goes with the lab.
func (l *Lab) Dir() string { return l.dir }

// MTU is that of the underlay.
func (l *Lab) MTU() int { return l.mtu }

// Hosts are the hosts in the order in which they were made.
func (l *Lab) Hosts() []*Host {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]*Host(nil), l.hosts...)
}

// open refuses an operation on a lab that is closed or being closed. The lock is held.
func (l *Lab) open(operation string) error {
	if l.closing {
		return fmt.Errorf("lab: %s: %w", operation, errEnded)
	}
	return nil
}

// space makes a namespace of the lab. The lock is held.
func (l *Lab) space(name string, settings ...[]setting) (*Namespace, error) {
	if err := l.open("make " + name); err != nil {
		return nil, err
	}
	n, err := newNamespace(l, name, settings...)
	if err != nil {
		return nil, err
	}
	l.spaces = append(l.spaces, n)
	return n, nil
}

// discard ends a namespace that could not be finished. The lock is held.
func (l *Lab) discard(n *Namespace) error {
	for i, other := range l.spaces {
		if other == n {
			l.spaces = append(l.spaces[:i], l.spaces[i+1:]...)
			break
		}
	}
	n.release()
	return removeName(n.FullName())
}

// killAll ends all processes and lets no new ones start.
func (l *Lab) killAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, n := range l.spaces {
		n.kill()
	}
}

// Close ends the processes and removes the namespaces and the directory of the lab. It may be called many times and from
// many goroutines; each returns when the lab is gone. After an error it can be called again, and goes on where it stopped.
// After Keep it does nothing.
func (l *Lab) Close() error {
	l.killAll()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return nil
	}
	l.closing = true
	if l.unwatch != nil {
		l.unwatch()
	}
	err := errors.Join(l.waitAll(), l.registry.locked(func() error { return l.registry.remove(l.id) }))
	l.releaseAll()
	l.ended = err == nil
	return err
}

// waitAll waits for the killed processes.
func (l *Lab) waitAll() error {
	deadline := time.Now().Add(killWithin)
	var err error
	for _, n := range l.spaces {
		n.kill() // again: one may have been made since
		err = errors.Join(err, n.wait(deadline))
	}
	return err
}

// releaseAll gives back the threads and descriptors of the namespaces.
func (l *Lab) releaseAll() {
	for _, n := range l.spaces {
		n.release()
	}
}

// Keep leaves the lab standing, with its processes, when this process ends; Close then does nothing, Sweep passes by, and
// Remove with the lab's id takes it away. The lab must have been made with Options.Keep, and cannot be used any further.
func (l *Lab) Keep() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.keep {
		return errors.New("lab: keep: the lab was not made to be kept (Options.Keep)")
	}
	if err := l.open("keep"); err != nil {
		return err
	}
	l.record.Kept = true
	if err := l.record.write(l.dir); err != nil {
		return err
	}
	l.unwatch()
	l.releaseAll()
	l.ended, l.closing = true, true
	return nil
}
