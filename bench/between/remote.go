package between

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/weftnet/weft/bench/load"
)

// remote is a job at the server.
type remote struct {
	client *client
	job    uint32
	addr   netip.AddrPort
}

// Addr implements load.Remote.
func (r *remote) Addr() netip.AddrPort { return r.addr }

// Tally implements load.Remote. A job that has ended by itself has both a tally and an error.
func (r *remote) Tally(ctx context.Context) (load.Tally, error) { return r.ask(ctx, opTally) }

// Finish implements load.Remote.
func (r *remote) Finish(ctx context.Context) (load.Tally, error) { return r.ask(ctx, opFinish) }

func (r *remote) ask(ctx context.Context, what op) (load.Tally, error) {
	answer, err := r.client.call(ctx, &request{Op: what, Job: r.job})
	switch {
	case answer != nil && answer.Tally != nil:
		return answer.Tally.load(), err
	case err != nil:
		return load.Tally{}, err
	}
	return load.Tally{}, fmt.Errorf("%w: no tally of job %d from %s", errFrame, r.job, r.client.address)
}
