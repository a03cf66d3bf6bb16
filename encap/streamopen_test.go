package encap_test

import (
	"net/netip"
	"testing"
	"testing/synctest"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/encap/simnet"
)

// A member that opens streams and leaves them open takes no more than its share, and what it closes may be used again.
func TestOneSourceCannotKeepAllStreamsOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(simnet.Options{Seed: 1})
		few := func(c *encap.StreamsConfig) { c.OpenPerSource, c.MaxOpen = 2, 3 }
		a, b, other := newEnd(t, n, 1, addrA), newEnd(t, n, 2, addrB, few), newEnd(t, n, 3, netip.MustParseAddr("192.0.2.3"))
		accepted := b.serve(t)
		open := func(from *end) *encap.Stream {
			t.Helper()
			s, err := from.streams.Dial(t.Context(), netip.AddrPortFrom(addrB, testPort))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			synctest.Wait()
			return s
		}
		check := func(when string, want encap.StreamCounts) {
			t.Helper()
			if c := b.streams.Counts(); c != want {
				t.Errorf("%s: counts %+v, want %+v", when, c, want)
			}
		}
		for range 3 {
			open(a)
		}
		check("a third stream of one source", encap.StreamCounts{Accepted: 2, Busy: 1})
		open(other)
		check("another source", encap.StreamCounts{Accepted: 3, Busy: 1})
		first := <-accepted
		first.Close()
		first.Close()
		open(a)
		open(other)
		check("one was closed, and two opened", encap.StreamCounts{Accepted: 4, Busy: 2})
		for range 3 {
			(<-accepted).Close()
		}
	})
}
