package dialback

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/router"
	"github.com/weftnet/weft/trust"
)

// Run serves requests until ctx ends.
func (d *Service) Run(ctx context.Context) error {
	var workers errgroup.Group
	for range dialWorkers {
		workers.Go(func() error {
			for {
				select {
				case <-ctx.Done():
					return nil
				case m := <-d.requests:
					d.serve(ctx, m)
				}
			}
		})
	}
	return workers.Wait()
}

// serve calls a peer that asked for it, and answers. One that asks too often is told so at once, and not a second time: where
// that is lost it asks again.
func (d *Service) serve(ctx context.Context, m router.DialMessage) {
	switch first, due := d.take(m); {
	case !first:
	case !due:
		_ = d.answer(m, encap.DialBody{Status: encap.DialBusy}) // without a path there is nobody to tell
	default:
		d.answerTwice(ctx, m, d.dial(ctx, m))
	}
}

// dial calls a peer at the endpoints of its claim, and returns how that went.
func (d *Service) dial(ctx context.Context, m router.DialMessage) encap.DialBody {
	at := d.claimed(m.From)
	if len(at) == 0 {
		return encap.DialBody{Status: encap.DialNowhere}
	}
	d.cfg.Log.Info("node.dialback.served", "peer", m.From.Short(), "endpoints", at)
	return encap.DialBody{Dialed: d.call(ctx, m.From, m.Body.ID, at)}
}

// answerTwice sends an answer and repeats it after dialGap: the first may be lost, and another request with its id is not
// served.
func (d *Service) answerTwice(ctx context.Context, m router.DialMessage, body encap.DialBody) {
	if err := d.answer(m, body); err != nil || !pause(ctx, dialGap) {
		return
	}
	_ = d.answer(m, body) // the path is down, and the one who asked knows
}

// answer sends the answer to a request once.
func (d *Service) answer(m router.DialMessage, body encap.DialBody) error {
	body.ID = m.Body.ID
	return d.cfg.Router.SendDial(m.From, encap.DialResponse, body)
}

// take notes a request. first: it is not one that was repeated. due: the peer's last one is long enough ago.
func (d *Service) take(m router.DialMessage) (first, due bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	for id, last := range d.served {
		if id != m.From && now.Sub(last.at) >= Pause {
			delete(d.served, id)
		}
	}
	last, known := d.served[m.From]
	if known && last.id == m.Body.ID {
		return false, false
	}
	if known && now.Sub(last.at) < Pause {
		return true, false
	}
	d.served[m.From] = servedDial{m.Body.ID, now}
	return true, true
}

// claimed are the endpoints at which a member may be called.
func (d *Service) claimed(id trust.Fingerprint) []netip.AddrPort {
	at := d.cfg.Claimed(id)
	return at[:min(len(at), encap.MaxDialed)]
}

// call calls a peer at all endpoints at once, by UDP and TCP.
func (d *Service) call(ctx context.Context, peer trust.Fingerprint, id uint64, at []netip.AddrPort) []encap.Dialed {
	results := make([]encap.Dialed, len(at))
	var calls sync.WaitGroup
	for i, endpoint := range at {
		results[i].Endpoint = endpoint
		calls.Go(func() { results[i].UDP = d.callUDP(ctx, peer, id, endpoint) })
		calls.Go(func() { results[i].TCP = d.callTCP(ctx, peer, endpoint) })
	}
	calls.Wait()
	return results
}

// callUDP sends frames from a port of its own. A refusal is known only from the second on: ICMP tells of the one before.
func (d *Service) callUDP(ctx context.Context, peer trust.Fingerprint, id uint64, at netip.AddrPort) encap.DialOutcome {
	conn, err := d.cfg.Dialer.DialContext(ctx, "udp", at.String())
	if err != nil {
		return outcomeOf(err)
	}
	defer conn.Close()
	for i := range dialTries {
		if i > 0 && !pause(ctx, dialGap) {
			return encap.DialFailed
		}
		frame, err := d.cfg.Router.SealDialBack(peer, encap.DialBody{ID: id, To: at})
		if err == nil {
			_, err = conn.Write(frame)
		}
		if err != nil {
			return outcomeOf(err)
		}
	}
	return encap.DialOK
}

// callTCP opens a stream, and closes it again.
func (d *Service) callTCP(ctx context.Context, peer trust.Fingerprint, at netip.AddrPort) encap.DialOutcome {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	s, err := d.cfg.Streams.Dial(ctx, at)
	if err != nil {
		return outcomeOf(err)
	}
	defer s.Close()
	if s.Remote().Keys.Fingerprint() != peer {
		return encap.DialStranger
	}
	return encap.DialOK
}

// outcomeOf says what an error of a call means.
func outcomeOf(err error) encap.DialOutcome {
	switch {
	case errors.As(err, new(*encap.RefusedError)):
		return encap.DialStranger
	case errors.Is(err, unix.ECONNREFUSED), errors.Is(err, unix.ECONNRESET):
		return encap.DialRefused
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, unix.ETIMEDOUT):
		return encap.DialTimeout
	case errors.Is(err, unix.EHOSTUNREACH), errors.Is(err, unix.ENETUNREACH), errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return encap.DialUnreachable
	}
	return encap.DialFailed
}

// pause waits; false: ctx ended before.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
