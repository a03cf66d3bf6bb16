package measure

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

const (
	iperfProgram = "iperf3"
	iperfPort    = 5201
	iperfExtra   = 15 * time.Second // what a transfer may take beyond its length: connecting, draining, telling the result
)

// iperf is one transfer by iperf3 from a target's From to its To.
type iperf struct {
	streams int
	both    bool // in both directions at once, with as many streams in each
	length  time.Duration
}

// wholeSeconds is the time that iperf3 can be given, which takes whole seconds only: d, rounded up, at least 1 s.
func wholeSeconds(d time.Duration) time.Duration {
	return max(time.Second, (d + time.Second - 1).Truncate(time.Second))
}

// run starts a server for one transfer, makes the transfer, and returns when both programs have ended. begin, if not nil, is
// called when the server is ready, just before the client starts.
func (i iperf) run(ctx context.Context, t Target, begin func() error) (transfer, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, wholeSeconds(i.length)+iperfExtra,
		fmt.Errorf("no end %v after its time", iperfExtra))
	defer cancel()
	server := startServer(ctx, t.To, t.ToAddr)
	defer server.kill()
	done, err := i.transfer(ctx, t, server, begin)
	if err != nil {
		return done, fmt.Errorf("measure: iperf3 from %s to %s (%s): %w", t.From.Name(), t.To.Name(), t.ToAddr, err)
	}
	return done, nil
}

func (i iperf) transfer(ctx context.Context, t Target, server *iperfServer, begin func() error) (transfer, error) {
	if err := server.awaitReady(ctx); err != nil {
		return transfer{}, err
	}
	if begin != nil {
		if err := begin(); err != nil {
			return transfer{}, err
		}
	}
	stdout, failed := t.From.Run(ctx, i.clientArgs(t)...)
	if ctx.Err() != nil {
		return transfer{}, context.Cause(ctx)
	}
	done, err := parseTransfer([]byte(stdout), i.both)
	if failed != nil && (stdout == "" || err == nil) {
		return done, failed // otherwise the output says more than the exit status
	}
	return done, err
}

func (i iperf) clientArgs(t Target) []string {
	const connectTimeout = "5000" // ms
	args := []string{
		iperfProgram, "-J", "-i", "0", "-c", t.ToAddr.String(), "-B", t.FromAddr.String(), "-p", strconv.Itoa(iperfPort),
		"--connect-timeout", connectTimeout, "-P", strconv.Itoa(i.streams), "-t", strconv.Itoa(int(wholeSeconds(i.length).Seconds())),
	}
	if i.both {
		args = append(args, "--bidir")
	}
	return args
}
