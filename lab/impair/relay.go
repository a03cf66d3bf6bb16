package impair

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/weftnet/weft/lab"
)

// Relay is what stands between two hosts. Counts and Close may be called from any goroutine.
type Relay struct {
	name    string
	space   *lab.Namespace
	cabling cabling
	ways    [2]*way // to the second host, and back
	counts  counters
	wait    sync.WaitGroup

	mu     sync.Mutex // guards what follows
	closed bool
	failed error // why frames are not carried any more
}

// Between puts a relay between two hosts of a lab; b's cable is what is broken up. A host can be the second one of one relay
// at a time. Close it before the lab.
func Between(l *lab.Lab, a, b *lab.Host, o Options) (*Relay, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	r := &Relay{name: a.Name() + " and " + b.Name(), space: l.Switch(), cabling: cablingOf(b.Port(), l.MTU())}
	if err := r.space.Do(r.cabling.lay); err != nil {
		return nil, fmt.Errorf("impair: between %s: %w", r.name, err)
	}
	if err := r.open(a, b, o); err != nil {
		return nil, fmt.Errorf("impair: between %s: %w", r.name, errors.Join(err, r.space.Do(r.cabling.take)))
	}
	for _, w := range r.ways {
		w.start(&r.wait, r.fail)
	}
	return r, nil
}

// open makes the ways.
func (r *Relay) open(a, b *lab.Host, o Options) error {
	var ends [2]*os.File
	for i, e := range r.cabling.ends {
		err := r.space.Do(func() (err error) {
			ends[i], err = openSocket(e.relay)
			return err
		})
		if err != nil {
			return errors.Join(err, closeAll(ends))
		}
	}
	r.ways[0] = &way{from: a.MAC(), to: b.MAC(), in: ends[0], out: ends[1], dice: newDice(o, 0), counts: &r.counts}
	r.ways[1] = &way{from: b.MAC(), to: a.MAC(), in: ends[1], out: ends[0], dice: newDice(o, 1), counts: &r.counts}
	return nil
}

// Counts are what has become of the frames so far.
func (r *Relay) Counts() Counts { return r.counts.read() }

// fail notes the first reason why frames are not carried any more.
func (r *Relay) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed == nil {
		r.failed = err
	}
}

// Close connects the hosts directly again; frames that are held back are lost. The error says also whether the relay had
// stopped to carry frames before. It may be called again, and then does nothing.
func (r *Relay) Close() error {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return nil
	}
	r.closed = true
	r.mu.Unlock()
	err := closeAll([2]*os.File{r.ways[0].in, r.ways[1].in})
	r.wait.Wait()
	if e := r.space.Do(r.cabling.take); e != nil {
		err = errors.Join(err, fmt.Errorf("impair: between %s: %w", r.name, e))
	}
	return errors.Join(r.failed, err)
}

// closeAll closes the sockets that are open.
func closeAll(files [2]*os.File) error {
	var err error
	for _, file := range files {
		if file != nil {
			err = errors.Join(err, file.Close())
		}
	}
	return err
}
