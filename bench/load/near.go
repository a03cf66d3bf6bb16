package load

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// near is the near end of one job: what a generator needs to speak to the far end, and to name both in errors.
type near struct {
	operation string // "latency over TCP"
	place     Place
	remote    Remote
	token     Token
	to        netip.AddrPort
}

// begin starts a job for a measurement that takes about d.
func begin(ctx context.Context, operation string, place Place, far Far, kind Kind, d time.Duration) (*near, error) {
	n := &near{operation: operation, place: place}
	_, _ = rand.Read(n.token[:]) // never fails
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("load: %s from %s: %w", operation, nameOf(place), err)
	}
	remote, err := far.Start(ctx, Job{Kind: kind, Token: n.token, Within: d + 4*grace})
	if err != nil {
		return nil, err
	}
	n.remote, n.to = remote, remote.Addr()
	return n, nil
}

// failed names the operation and both ends.
func (n *near) failed(ctx context.Context, err error) error {
	return failed(ctx, n.operation, n.place, n.to, err)
}

// finish ends the job, also when ctx has ended, and adds its error, if any, to err.
func (n *near) finish(ctx context.Context, err *error) Tally {
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	t, e := n.remote.Finish(bounded)
	if e != nil && *err == nil {
		*err = n.failed(ctx, e)
	}
	return t
}

// dial opens a TCP connection and gives the token. The socket is interrupted when ctx ends, until release is called, which
// also closes it.
func (n *near) dial(ctx context.Context) (s *socket, release func(), err error) {
	s, release, err = n.connectTCP(ctx)
	if err != nil {
		return nil, nil, err
	}
	if _, err := s.sendAll(n.token[:]); err != nil || ctx.Err() != nil {
		release()
		return nil, nil, n.failed(ctx, err)
	}
	return s, release, nil
}

// connectTCP opens a TCP connection, with the same rules as dial. It must give the token within tokenTime.
func (n *near) connectTCP(ctx context.Context) (s *socket, release func(), err error) {
	s, err = newSocket(n.place, unix.SOCK_STREAM, n.to.Addr().Is6())
	if err != nil {
		return nil, nil, n.failed(ctx, err)
	}
	stop := context.AfterFunc(ctx, s.interrupt)
	release = func() { stop(); s.close() }
	err = errors.Join(s.limit(unix.SO_SNDTIMEO, grace), s.set(unix.IPPROTO_TCP, unix.TCP_NODELAY, 1))
	if err == nil {
		err = s.connect(n.to)
	}
	if err == nil {
		err = errors.Join(s.limit(unix.SO_SNDTIMEO, 0), ctx.Err())
	}
	if err != nil {
		release()
		return nil, nil, n.failed(ctx, err)
	}
	return s, release, nil
}

// dialUDP opens a connected UDP socket that does not fragment, with the same rules as dial.
func (n *near) dialUDP(ctx context.Context) (s *socket, release func(), err error) {
	s, err = newSocket(n.place, unix.SOCK_DGRAM, n.to.Addr().Is6())
	if err != nil {
		return nil, nil, n.failed(ctx, err)
	}
	if err := errors.Join(s.dontFragment(), s.connect(n.to)); err != nil {
		s.close()
		return nil, nil, n.failed(ctx, err)
	}
	stop := context.AfterFunc(ctx, s.interrupt)
	return s, func() { stop(); s.close() }, nil
}
