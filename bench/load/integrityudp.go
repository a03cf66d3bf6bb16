package load

import (
	"context"
	cryptorand "crypto/rand"
	"fmt"
	"time"
)

// integrityUDP sends a datagram of each size and waits for it to come back.
func integrityUDP(ctx context.Context, place Place, far Far, o IntegrityOptions, result *IntegrityResult) (err error) {
	n, err := begin(ctx, "integrity over UDP", place, far, EchoUDP, integrityTime)
	if err != nil {
		return err
	}
	defer func() { n.finish(ctx, &err) }()
	s, release, err := n.dialUDP(ctx)
	if err != nil {
		return err
	}
	defer release()
	sizes := o.Sizes
	if sizes == nil {
		sizes = integritySizes(min(o.MTU-n.headers(), maxDatagram))
	}
	var seed [32]byte
	_, _ = cryptorand.Read(seed[:]) // never fails
	p, random := newProber(s, n.token), randomBytes(seed)
	for _, size := range sizes {
		if size < headLen || size > maxDatagram {
			return n.failed(ctx, fmt.Errorf("datagrams of %d bytes: want %d to %d", size, headLen, maxDatagram))
		}
		_, _ = random.Read(p.out[:size])
		if err := p.compare(ctx, size, result); err != nil {
			return n.failed(ctx, err)
		}
	}
	return nil
}

// lastWait is how long the last try for a datagram waits: a machine that is busy with other things makes it late, not lost.
const lastWait = 3 * time.Second

// compare sends the beginning of out until something comes back, several times at most, and compares.
func (p *prober) compare(ctx context.Context, size int, result *IntegrityResult) error {
	for try := range probeTries + 1 {
		if try == probeTries {
			p.wait = lastWait
		}
		answer, err := p.probe(size)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return err
		}
		if len(answer) == 0 {
			continue
		}
		result.judge(answer, p.out[:size])
		return nil
	}
	result.Missing = append(result.Missing, size)
	return nil
}

// judge compares a datagram with what was sent.
func (r *IntegrityResult) judge(got, want []byte) {
	if len(got) != len(want) {
		r.differ("UDP: a datagram of %d bytes came back with %d", len(want), len(got))
	} else if offset, count := difference(got, want); count > 0 {
		r.differ("UDP: %d bytes of a datagram of %d differ, the first at offset %d", count, len(want), offset)
	} else {
		r.Datagrams++
	}
}
