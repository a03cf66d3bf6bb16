package encap_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/encap/simnet"
)

func TestTamperedRecordEndsTheStream(t *testing.T) {
	bubble(t, func(t *testing.T, n *simnet.Network, a, b *end) {
		streams := b.serve(t)
		tamper := &tamperer{host: a.host}
		a2 := encap.NewStreams(encap.StreamsConfig{Local: a.local, Dialer: tamper})
		s, err := a2.Dial(t.Context(), netip.AddrPortFrom(addrB, testPort))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		accepted := <-streams
		defer accepted.Close()
		tamper.on = true
		s.Write([]byte("x"))
		if _, err := accepted.Read(make([]byte, 1)); !errors.Is(err, encap.ErrAuth) {
			t.Errorf("read: %v", err)
		}
		tamper.on = false
		s.Write([]byte("y"))
		if _, err := accepted.Read(make([]byte, 1)); !errors.Is(err, encap.ErrAuth) {
			t.Errorf("read after it: %v", err)
		}
	})
}

// tamperer flips the last bit of what is written while it is on.
type tamperer struct {
	host *simnet.Host
	net.Conn
	on bool
}

func (x *tamperer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := x.host.DialContext(ctx, network, address)
	x.Conn = conn
	return x, err
}

func (x *tamperer) Write(p []byte) (int, error) {
	if x.on {
		p = bytes.Clone(p)
		p[len(p)-1] ^= 1
	}
	return x.Conn.Write(p)
}
