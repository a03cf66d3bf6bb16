package mesh

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/weftnet/weft/trust"
)

var (
	errNoAddress = errors.New("no address is known")
	errOurselves = errors.New("it is this node itself")
	errClone     = errors.New("another live node with our key answers there")
)

// call is one attempt to reach a target and to exchange full state with who answers. It runs in a goroutine of its own.
type call struct {
	key  targetKey
	at   []netip.AddrPort // unless a seed
	ours []netip.AddrPort // our own endpoints

	cfg       *Config
	transport *transport
	list      *memberlist.Memberlist
}

// outcome is how a call went.
type outcome struct {
	remote Remote // of who answered; zero: nobody
	err    error  // nil: state was exchanged
}

func (c *call) run(ctx context.Context) outcome {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timing.Stream)
	defer cancel()
	at, err := c.addresses(ctx)
	if err != nil {
		return outcome{err: err}
	}
	stream, err := c.dial(ctx, at)
	if err != nil {
		return outcome{err: err}
	}
	r := stream.Remote()
	if err := c.exchange(stream); err != nil {
		return outcome{remote: r, err: fmt.Errorf("exchange with %s at %v: %w", r.Name, r.Addr, err)}
	}
	if c.key.seed == "" && r.ID != c.key.id {
		err = fmt.Errorf("%s (%s) answers at %v", r.Name, r.ID.Short(), r.Addr)
	}
	return outcome{remote: r, err: err}
}

// addresses are the candidates of this call; our own come last.
func (c *call) addresses(ctx context.Context) ([]netip.AddrPort, error) {
	at := slices.Clone(c.at)
	if c.key.seed != "" {
		var err error
		if at, err = resolveSeed(ctx, c.cfg.Resolver, c.key.seed, c.cfg.Port); err != nil {
			return nil, err
		}
	}
	if len(at) == 0 {
		return nil, errNoAddress
	}
	return at, nil
}

// dial opens a stream to another node at one of the addresses. Where we answer ourselves, it goes on with the others.
func (c *call) dial(ctx context.Context, at []netip.AddrPort) (Stream, error) {
	if others := without(at, c.ours...); len(others) > 0 {
		at = others
	}
	for {
		stream, err := c.cfg.Underlay.DialGossip(ctx, c.key.id, at)
		if err != nil {
			return nil, err
		}
		r := stream.Remote()
		c.transport.learned(r)
		if r.ID != c.transport.self.id {
			return stream, nil
		}
		_ = stream.Close()
		if r.Boot != c.transport.self.boot {
			return nil, errClone
		}
		others := without(at, r.Addr)
		if len(others) == 0 || len(others) == len(at) {
			return nil, errOurselves
		}
		at = others
	}
}

// exchange runs memberlist's push/pull over the stream.
func (c *call) exchange(stream Stream) error {
	r := stream.Remote()
	name := memberName{r.ID, r.Boot}.String()
	discard, err := c.transport.stashFor(name, stream)
	if err != nil {
		return err
	}
	defer discard()
	_, err = c.list.Join([]string{name + "/" + joinAddr(r.ID)})
	return err
}

func joinAddr(id trust.Fingerprint) string {
	return net.JoinHostPort(syntheticIP(id).String(), fmt.Sprint(DefaultPort))
}

func without(at []netip.AddrPort, remove ...netip.AddrPort) []netip.AddrPort {
	return slices.DeleteFunc(slices.Clone(at), func(a netip.AddrPort) bool { return slices.Contains(remove, a) })
}

// startCalls starts what is due.
func (o *owner) startCalls(now time.Time) {
	for _, t := range o.caller.due(now) {
		c := &call{
			key: t.key, at: t.at, ours: o.self.local.Endpoints,
			cfg: o.cfg, transport: o.transport, list: o.list,
		}
		if t.key.seed == "" && t.key.id != o.me.id {
			c.at = o.book.at(t.key.id)
		}
		o.spawn(func() {
			out := c.run(o.ctx)
			o.mail.post(func(o *owner) { o.called(t, out) })
		})
	}
}

// called notes how a call went.
func (o *owner) called(t *target, out outcome) {
	now := time.Now()
	o.caller.done(t, now)
	if t.key.seed == "" {
		return
	}
	o.seedsChanged = true
	t.who, t.peer, t.self = out.remote.ID, out.remote.Name, errors.Is(out.err, errOurselves)
	switch {
	case t.self:
		t.who, t.peer, t.lastErr = o.me.id, o.cfg.Name, ""
		t.next = now.Add(o.caller.jitter(o.cfg.Timing.CallMax, 0.25))
	case out.err != nil:
		o.seedFailed(t, seedReason(out.err, o.cfg.Timing.Stream))
	default:
		t.last, t.lastErr = t.who, ""
	}
}

func (o *owner) seedFailed(t *target, why string) {
	if why != t.lastErr {
		o.log.Info("mesh.seed.unreachable", "seed", t.key.seed, "error", why, "tries", t.tries)
	}
	t.lastErr = why
}
