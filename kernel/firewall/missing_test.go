package firewall

import (
	"errors"
	"testing"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/kernel"
)

// The kernel answers ENOENT to a rule that is gone, and to an expression that it has no module for: only in the first case
// has somebody changed the ruleset.
func TestWhatTheKernelDoesNotKnowIsReportedWhenItIsMissingTwice(t *testing.T) {
	s := newSite(t)
	s.set(wanted())
	run := func() *reconcile {
		run := &reconcile{want: wanted(), log: s.rules.log}
		s.do(func() (err error) {
			if run.session, err = openSession(); err != nil {
				return err
			}
			defer run.session.close()
			table := ownTable("weft0")
			if err := run.session.nft.DelRule(&nftables.Rule{Table: table, Chain: &nftables.Chain{Name: chainLeaving, Table: table}, Handle: 1 << 40}); err != nil {
				return err
			}
			return run.commit(kernel.Added, KindRule, "that are not there")
		})
		return run
	}
	for i, c := range []struct {
		generation uint32
		reported   bool
	}{{7, false}, {8, false}, {8, true}, {8, true}, {9, false}} {
		err := s.rules.note(c.generation, run(), nil)
		if errors.Is(err, unix.ENOENT) != c.reported {
			t.Errorf("run %d at generation %d: %v", i, c.generation, err)
		}
		if s.rules.seen.known {
			t.Errorf("run %d counts as done", i)
		}
	}
}
