package between

import (
	"context"
	"net/netip"

	"github.com/weftnet/weft/bench/load"
)

// far is the server as load sees it over one path: jobs are asked for over the control connection, and their traffic goes
// to host.
type far struct {
	client *client
	host   netip.Addr
}

// Start implements load.Far.
func (f far) Start(ctx context.Context, j load.Job) (load.Remote, error) {
	answer, err := f.client.call(ctx, &request{Op: opStart, Kind: j.Kind, Token: j.Token[:], Within: j.Within, Host: f.host})
	if err != nil {
		return nil, err
	}
	return &remote{client: f.client, job: answer.Job, addr: netip.AddrPortFrom(f.host, answer.Port)}, nil
}
