package firewall

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/weftnet/weft/kernel"
)

// The kinds of things that this package keeps, besides those of package kernel.
const (
	KindTable  kernel.Kind = "table"
	KindRule   kernel.Kind = "rules"
	KindSysctl kernel.Kind = "sysctl"
)

// Rules keeps our rules in the packet filter of the network namespace of the thread that calls it.
type Rules struct {
	log  *slog.Logger
	seen sight
}

// sight is what the last Set saw to be as it wanted it.
type sight struct {
	generation uint32
	want       State
	known      bool
}

// NewRules makes a keeper of rules. It asks the kernel for nothing yet. A nil logger is silent.
func NewRules(logger *slog.Logger) *Rules {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &Rules{log: logger}
}

// Set makes the packet filter as want says: our table, our rules at the front of foreign chains that are obstacles and in no
// others. It is idempotent. When nobody has changed anything since the last Set with the same want, it costs one question
// for the generation.
//
// Errors. ErrNotSupported: the kernel cannot; nothing was done. A *LegacyError: an old iptables drops what is forwarded, and
// netlink cannot change it. An *OwnedError: a foreign chain does, and belongs to one program alone. After any of the last two
// and after any other error the rest is in place. The error is one line, whatever the number of faults in it.
func (r *Rules) Set(want State) (kernel.Changes, error) {
	if err := want.validate(); err != nil {
		return nil, err
	}
	changes, err := r.set(want)
	var f faults
	f.add(err)
	if !want.Off {
		f.add(legacyObstacle(want))
	}
	return changes, f.err()
}

func (r *Rules) set(want State) (kernel.Changes, error) {
	s, err := openSession()
	if err != nil {
		return nil, err
	}
	defer s.close()
	generation, err := s.generation()
	if err != nil {
		return nil, err
	}
	if r.seen.known && r.seen.generation == generation && r.seen.want.equal(want) {
		return nil, nil
	}
	run := &reconcile{session: s, want: want, log: r.log}
	err = run.run()
	// What this very run changed has raised the generation: the next Set looks again, and finds all as wanted.
	r.seen = sight{generation, want.clone(), err == nil && !run.changes.Any()}
	return run.changes, err
}

// Remove takes away everything that Set made for the device, and nothing else. On a kernel that cannot have any of it,
// nothing is to be done.
func (r *Rules) Remove(device string) error {
	_, err := r.Set(State{Device: device, Off: true})
	if errors.Is(err, ErrNotSupported) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w (nft list ruleset shows what is left)", err)
	}
	return nil
}
