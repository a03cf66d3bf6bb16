package install

import (
	"context"
	"time"

	"github.com/weftnet/weft/cni-shim/lease"
)

// readyPeriod is how often Await looks for the lease.
const readyPeriod = 250 * time.Millisecond

// Await waits until the node of a run directory has a lease, so that pods can start. Each new reason why it has none is told once; why is
// asked for it. It ends with ctx.
func Await(ctx context.Context, runDir string, why func(ctx context.Context, none error) string, tell func(reason string)) error {
	tick := time.NewTicker(readyPeriod)
	defer tick.Stop()
	for told := ""; ; {
		_, err := lease.Read(runDir)
		if err == nil {
			return nil
		}
		if reason := why(ctx, err); reason != told {
			tell(reason)
			told = reason
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
