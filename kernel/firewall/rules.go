package firewall

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

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
	log    *slog.Logger
	now    func() time.Time
	seen   sight
	legacy legacySight
	clamp  clampProbe
}

// sight is what the last Set saw.
type sight struct {
	generation uint32
	want       State
	known      bool  // all is as wanted, or cannot be as long as nobody changes the ruleset
	err        error // why it cannot; nil if all is as wanted
	missing    error // a transaction named what the kernel does not have
}

func (s sight) of(generation uint32, want State) bool {
	return s.generation == generation && s.want.equal(want)
}

// NewRules makes a keeper of rules. It asks the kernel for nothing yet. A nil logger is silent.
func NewRules(logger *slog.Logger) *Rules {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &Rules{log: logger, now: time.Now}
}

// Set makes the packet filter as want says: our table, our rules at the front of foreign chains that are obstacles and in no
// others. It is idempotent. When nobody has changed anything since the last Set with the same want, it costs one question
// for the generation. An old iptables tells of no change: it is looked at every ten seconds (legacyPeriod), and for another want.
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
		f.add(r.legacyObstacle(want))
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
	var f faults
	f.add(r.settleClamp(s, &want))
	if r.seen.known && r.seen.of(generation, want) {
		f.add(r.seen.err)
		return nil, f.err()
	}
	run := &reconcile{session: s, want: want, log: r.log}
	f.add(r.note(generation, run, run.run()))
	return run.changes, f.err()
}

// note remembers what a run saw that began at a generation and ended with err, and returns what is to be said of it.
func (r *Rules) note(generation uint32, run *reconcile, err error) error {
	before := r.seen
	// What this very run changed has raised the generation: the next Set looks again, and finds all as wanted.
	lasting := !run.changes.Any() && run.missing == nil && onlyOwned(err)
	r.seen = sight{generation, run.want.clone(), lasting, err, run.missing}
	if run.missing == nil || before.missing == nil || !before.of(generation, run.want) {
		return err
	}
	// Nobody has changed the ruleset since: what is missing is not what somebody took away.
	var f faults
	f.add(err)
	f.add(run.missing)
	return f.err()
}

// onlyOwned reports whether nothing is wrong but what another program alone can change, which raises the generation.
func onlyOwned(err error) bool {
	if err == nil {
		return true
	}
	list, ok := err.(faults)
	return ok && !slices.ContainsFunc(list, func(err error) bool { return !errors.As(err, new(*OwnedError)) })
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
