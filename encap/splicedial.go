package encap

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/weftnet/weft/trust"
)

var (
	errOlderPeer    = errors.New("it runs an older build, which joins no streams")
	errAnotherNode  = errors.New("another node answers")
	errNotJoinedYet = errors.New("nobody was joined to it")
)

// DialThrough opens a stream to the node to, through a peer that accepts streams at addr. The addresses of both ends are not known
// to each other on such a stream. The error wraps a *RefusedError when the peer does not join the two (RefusedSplice), or when one
// of the three will not have another.
func (s *Streams) DialThrough(ctx context.Context, addr netip.AddrPort, to trust.Fingerprint) (*Stream, error) {
	outer, err := s.dial(ctx, addr, Splice{To: to})
	if err != nil {
		return nil, err
	}
	stop := s.bound(ctx, outer)
	stream, err := s.greet(outer, netip.AddrPort{}, Splice{To: to})
	if !stop() {
		err = context.Cause(ctx)
	}
	if err == nil && stream.remote.Keys.Fingerprint() != to {
		err = errAnotherNode
	}
	if err != nil {
		outer.Close()
		return nil, fmt.Errorf("encap: stream through %s (%s): %w", outer.remote.Name, addr, err)
	}
	return stream, outer.SetDeadline(time.Time{})
}

// Answer opens the stream that a SpliceCall asked for, to the peer that sent it and accepts streams at addr, and accepts there the
// stream of whom the peer joins to it, under the limits of accepted streams, as one of the peer's address.
func (s *Streams) Answer(ctx context.Context, addr netip.AddrPort, peer trust.Fingerprint, id uint64) (*Stream, error) {
	outer, err := s.dial(ctx, addr, Splice{Answer: id})
	if err != nil {
		return nil, err
	}
	if outer.remote.Keys.Fingerprint() != peer {
		outer.Close()
		return nil, fmt.Errorf("encap: stream to %s: %w", addr, errAnotherNode)
	}
	stream := s.accept(ctx, outer, netip.AddrPort{}, addr.Addr())
	if stream == nil { // counted, and outer is closed
		return nil, fmt.Errorf("encap: stream through %s (%s): %w", outer.remote.Name, addr, errNotJoinedYet)
	}
	return stream, nil
}
