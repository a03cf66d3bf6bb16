package encap_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/encap/simnet"
	"github.com/weftnet/weft/trust"
)

var (
	addrA = netip.MustParseAddr("192.0.2.1")
	addrB = netip.MustParseAddr("192.0.2.2")
)

const testPort = 9338

// end is one node with streams.
type end struct {
	host    *simnet.Host
	local   *encap.Local
	streams *encap.Streams

	mu      sync.Mutex
	refused []*encap.RefusedError
}

func newEnd(t *testing.T, n *simnet.Network, seed byte, addr netip.Addr, change ...func(*encap.StreamsConfig)) *end {
	t.Helper()
	id, err := trust.NewIdentity(bytes.Repeat([]byte{seed}, 32))
	if err != nil {
		t.Fatal(err)
	}
	e := &end{host: n.Host(addr)}
	e.local = &encap.Local{
		Identity: id, Ring: trust.NewRing(secret(1)), Name: fmt.Sprintf("node-%d", seed),
		Settings: encap.Settings{
			Network: []netip.Prefix{netip.MustParsePrefix("10.244.0.0/16")}, Encryption: true,
			MinVersion: 1, MaxVersion: 1, Lanes: 1, Ciphers: encap.PreferredCiphers(),
		},
	}
	cfg := encap.StreamsConfig{
		Local: e.local, Boot: trust.BootNonce{seed}, Started: time.Now(), Port: testPort, Dialer: e.host, OnRefused: e.onRefused,
	}
	for _, f := range change {
		f(&cfg)
	}
	e.streams = encap.NewStreams(cfg)
	return e
}

func secret(b byte) trust.Keys {
	return trust.Secret(bytes.Repeat([]byte{b}, trust.SecretLen)).Derive()
}

func (e *end) onRefused(r *encap.RefusedError) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.refused = append(e.refused, r)
}

func (e *end) lastRefused(t *testing.T) *encap.RefusedError {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.refused) == 0 {
		t.Fatal("nothing was refused")
	}
	return e.refused[len(e.refused)-1]
}

// serve accepts streams until the test ends. What is accepted comes out of the channel.
func (e *end) serve(t *testing.T) <-chan *encap.Stream {
	ctx, cancel := context.WithCancel(t.Context())
	accepted, done := make(chan *encap.Stream, 64), make(chan error, 1)
	ln := e.host.ListenTCP(testPort)
	go func() { done <- e.streams.Serve(ctx, ln, func(s *encap.Stream) { accepted <- s }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return accepted
}

// bubble runs a test of two nodes in virtual time.
func bubble(t *testing.T, f func(t *testing.T, n *simnet.Network, a, b *end)) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(simnet.Options{Seed: 1, Delay: 10 * time.Millisecond})
		f(t, n, newEnd(t, n, 1, addrA), newEnd(t, n, 2, addrB))
	})
}

func connected(t *testing.T, a, b *end) (dialed, accepted *encap.Stream) {
	t.Helper()
	streams := b.serve(t)
	dialed, err := a.streams.Dial(t.Context(), netip.AddrPortFrom(addrB, testPort))
	if err != nil {
		t.Fatal(err)
	}
	accepted = <-streams
	t.Cleanup(func() { dialed.Close(); accepted.Close() })
	return dialed, accepted
}

func TestBothEndsOfAStreamKnowEachOther(t *testing.T) {
	bubble(t, func(t *testing.T, _ *simnet.Network, a, b *end) {
		time.Sleep(time.Hour)
		dialed, accepted := connected(t, a, b)
		for _, c := range []struct {
			of       encap.Hello
			who      *end
			boot     byte
			observed netip.Addr
		}{{dialed.Remote(), b, 2, addrA}, {accepted.Remote(), a, 1, addrB}} {
			if c.of.Keys != c.who.local.Identity.Public() || c.of.Name != c.who.local.Name || c.of.Boot != (trust.BootNonce{c.boot}) {
				t.Errorf("hello %+v", c.of)
			}
			if c.of.Observed.Addr() != c.observed || c.of.Port != testPort || c.of.Uptime < time.Hour {
				t.Errorf("observed %s, port %d, uptime %s", c.of.Observed, c.of.Port, c.of.Uptime)
			}
		}
		if dialed.Addr() != netip.AddrPortFrom(addrB, testPort) || accepted.Addr().Addr() != addrA {
			t.Errorf("addresses %s and %s", dialed.Addr(), accepted.Addr())
		}
		if dialed.Agreement() != accepted.Agreement() || dialed.Agreement().Version != 1 {
			t.Errorf("agreements %+v and %+v", dialed.Agreement(), accepted.Agreement())
		}
	})
}

func TestStreamCarriesAMegabyteBothWaysAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, _ *simnet.Network, a, b *end) {
		dialed, accepted := connected(t, a, b)
		want := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
		var wg sync.WaitGroup
		for _, s := range []*encap.Stream{dialed, accepted} {
			wg.Go(func() {
				if _, err := s.Write(want); err != nil {
					t.Errorf("write: %v", err)
				}
			})
			wg.Go(func() {
				got := make([]byte, len(want))
				if _, err := io.ReadFull(s, got); err != nil || !bytes.Equal(got, want) {
					t.Errorf("read: %v, or other bytes", err)
				}
			})
		}
		wg.Wait()
	})
}

func TestCloseReadsAsTheEnd(t *testing.T) {
	bubble(t, func(t *testing.T, _ *simnet.Network, a, b *end) {
		dialed, accepted := connected(t, a, b)
		dialed.Write([]byte("last words"))
		dialed.Close()
		got, err := io.ReadAll(accepted)
		if string(got) != "last words" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		if _, err := dialed.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("write after Close: %v", err)
		}
	})
}

func TestCrashDoesNotReadAsTheEnd(t *testing.T) {
	bubble(t, func(t *testing.T, _ *simnet.Network, a, b *end) {
		_, accepted := connected(t, a, b)
		a.host.Crash()
		if _, err := accepted.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("read: %v", err)
		}
	})
}

func TestReadGoesOnAfterADeadline(t *testing.T) {
	bubble(t, func(t *testing.T, n *simnet.Network, a, b *end) {
		dialed, accepted := connected(t, a, b)
		n.Cut(a.host, b.host)
		go dialed.Write([]byte("late"))
		accepted.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := accepted.Read(make([]byte, 4)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read over a cut path: %v", err)
		}
		n.Heal(a.host, b.host)
		accepted.SetReadDeadline(time.Time{})
		got := make([]byte, 4)
		if _, err := io.ReadFull(accepted, got); err != nil || string(got) != "late" {
			t.Errorf("%q, %v", got, err)
		}
	})
}

func TestCloseWakesAReader(t *testing.T) {
	bubble(t, func(t *testing.T, _ *simnet.Network, a, b *end) {
		dialed, _ := connected(t, a, b)
		done := make(chan error)
		go func() {
			_, err := dialed.Read(make([]byte, 1))
			done <- err
		}()
		synctest.Wait()
		dialed.Close()
		if err := <-done; err == nil {
			t.Error("no error")
		}
	})
}

func TestWrongSecretIsNamedOnBothSides(t *testing.T) {
	bubble(t, func(t *testing.T, _ *simnet.Network, a, b *end) {
		b.local.Ring = trust.NewRing(secret(2))
		checkRefused(t, a, b, encap.RefusedSecret)
		if name := b.lastRefused(t).Name; name != "" {
			t.Errorf("a stranger is named %q", name)
		}
	})
}

func TestStreamsWhileSecretsChange(t *testing.T) {
	for name, change := range map[string]func(a, b *end){
		"the acceptor has the dialer's as second": func(a, b *end) { b.local.Ring = trust.NewRing(secret(2), secret(1)) },
		"both have both": func(a, b *end) {
			a.local.Ring, b.local.Ring = trust.NewRing(secret(2), secret(1)), trust.NewRing(secret(1), secret(2))
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, _ *simnet.Network, a, b *end) {
				change(a, b)
				dialed, accepted := connected(t, a, b)
				if dialed.Remote().Name != b.local.Name || accepted.Remote().Name != a.local.Name {
					t.Error("a stream with somebody else")
				}
			})
		})
	}
}

func TestSettingsThatDifferAreNamedOnBothSides(t *testing.T) {
	for field, change := range map[string]func(*encap.Settings){
		"network":    func(s *encap.Settings) { s.Network = []netip.Prefix{netip.MustParsePrefix("10.9.0.0/16")} },
		"encryption": func(s *encap.Settings) { s.Encryption = false },
		"version":    func(s *encap.Settings) { s.MinVersion, s.MaxVersion = 2, 2 },
		"cipher":     func(s *encap.Settings) { s.Ciphers = nil },
	} {
		t.Run(field, func(t *testing.T) {
			bubble(t, func(t *testing.T, _ *simnet.Network, a, b *end) {
				change(&b.local.Settings)
				checkRefused(t, a, b, field)
				if name := b.lastRefused(t).Name; name != a.local.Name {
					t.Errorf("the dialer is named %q", name)
				}
			})
		})
	}
}

// checkRefused dials from a to b and wants both to name the reason, each from its own side.
func checkRefused(t *testing.T, a, b *end, reason string) {
	t.Helper()
	b.serve(t)
	began := time.Now()
	stream, err := a.streams.Dial(t.Context(), netip.AddrPortFrom(addrB, testPort))
	var atA *encap.RefusedError
	if stream != nil || !errors.As(err, &atA) {
		t.Fatalf("dial: %v", err)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("took %s", took)
	}
	time.Sleep(time.Second)
	atB := b.lastRefused(t)
	if atA.Reason != reason || atB.Reason != reason || atA.Ours != atB.Theirs || atA.Theirs != atB.Ours || atA.Ours == atA.Theirs {
		t.Errorf("dialer %+v\nacceptor %+v", atA, atB)
	}
	if text := atA.Error(); strings.Contains(text, "\n") || !strings.Contains(text, reason) {
		t.Errorf("text %q", text)
	}
	if c := b.streams.Counts(); c.Refused != 1 || c.Accepted != 0 {
		t.Errorf("counts %+v", c)
	}
}

func TestGarbageIsCountedAndClosedAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, _ *simnet.Network, a, b *end) {
		b.serve(t)
		conn := rawDial(t, a)
		conn.Write([]byte("GET / HTTP/1.1"))
		began := time.Now()
		if got, _ := io.ReadAll(conn); len(got) != 0 || time.Since(began) > time.Second {
			t.Errorf("%d bytes after %s", len(got), time.Since(began))
		}
		if c := b.streams.Counts(); c.Garbage != 1 {
			t.Errorf("counts %+v", c)
		}
	})
}

func rawDial(t *testing.T, a *end) net.Conn {
	t.Helper()
	conn, err := a.host.DialContext(t.Context(), "tcp", netip.AddrPortFrom(addrB, testPort).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func TestSilentDialerIsCutOffAtTheDeadline(t *testing.T) {
	bubble(t, func(t *testing.T, _ *simnet.Network, a, b *end) {
		b.serve(t)
		conn := rawDial(t, a)
		conn.Write([]byte("WEFT"))
		began := time.Now()
		io.ReadAll(conn)
		if took := time.Since(began); took < 4*time.Second || took > 6*time.Second {
			t.Errorf("cut off after %s", took)
		}
		if c := b.streams.Counts(); c.Failed != 1 {
			t.Errorf("counts %+v", c)
		}
	})
}

func TestOneSourceCannotTakeAllHandshakes(t *testing.T) {
	bubble(t, func(t *testing.T, n *simnet.Network, a, b *end) {
		streams := b.serve(t)
		for range 8 {
			rawDial(t, a)
		}
		synctest.Wait()
		_, err := a.streams.Dial(t.Context(), netip.AddrPortFrom(addrB, testPort))
		var refused *encap.RefusedError
		if err == nil || errors.As(err, &refused) && refused.Reason != encap.RefusedBusy {
			t.Errorf("ninth handshake of one source: %v", err)
		}
		other := newEnd(t, n, 3, netip.MustParseAddr("192.0.2.3"))
		s, err := other.streams.Dial(t.Context(), netip.AddrPortFrom(addrB, testPort))
		if err != nil {
			t.Fatalf("another source: %v", err)
		}
		s.Close()
		(<-streams).Close()
		if c := b.streams.Counts(); c.Busy != 1 || c.Accepted != 1 {
			t.Errorf("counts %+v", c)
		}
	})
}

func TestDialEndsWithItsContext(t *testing.T) {
	bubble(t, func(t *testing.T, n *simnet.Network, a, b *end) {
		ln := b.host.ListenTCP(testPort) // nobody answers
		defer ln.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := a.streams.Dial(ctx, netip.AddrPortFrom(addrB, testPort)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
	})
}

// failingDialer fails as the kernel does.
type failingDialer struct{ err error }

func (d failingDialer) DialContext(context.Context, string, string) (net.Conn, error) {
	return nil, d.err
}

func TestACallThatIsRefusedNamesTheAddressOnce(t *testing.T) {
	to := netip.AddrPortFrom(addrB, testPort)
	refused := &net.OpError{Op: "dial", Net: "tcp", Addr: net.TCPAddrFromAddrPort(to), Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	bubble(t, func(t *testing.T, n *simnet.Network, _, _ *end) {
		c := newEnd(t, n, 3, netip.MustParseAddr("192.0.2.3"), func(cfg *encap.StreamsConfig) { cfg.Dialer = failingDialer{refused} })
		_, err := c.streams.Dial(t.Context(), to)
		if want := "encap: dial " + to.String() + ": connect: connection refused"; err == nil || err.Error() != want || !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("%v, wanted %s", err, want)
		}
	})
}

func TestDialGivesUpOnAServerThatSaysNothing(t *testing.T) {
	bubble(t, func(t *testing.T, n *simnet.Network, a, b *end) {
		ln := b.host.ListenTCP(testPort)
		defer ln.Close()
		if _, err := a.streams.Dial(t.Context(), netip.AddrPortFrom(addrB, testPort)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("error %v", err)
		}
	})
}

func TestServeEndsWithHandshakesUnderWay(t *testing.T) {
	bubble(t, func(t *testing.T, n *simnet.Network, a, b *end) {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- b.streams.Serve(ctx, b.host.ListenTCP(testPort), func(*encap.Stream) {}) }()
		synctest.Wait()
		rawDial(t, a)
		synctest.Wait()
		cancel()
		began := time.Now()
		if err := <-done; err != nil || time.Since(began) > 0 {
			t.Errorf("ended after %s with %v", time.Since(began), err)
		}
	})
}

func TestStreamsOverRealTCP(t *testing.T) {
	ln, err := encap.ListenTCP("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := simnet.New(simnet.Options{})
	real := func(c *encap.StreamsConfig) { c.Dialer = nil }
	a, b := newEnd(t, n, 1, addrA, real), newEnd(t, n, 2, addrB, real)
	wrong := newEnd(t, n, 3, netip.MustParseAddr("192.0.2.3"), real)
	wrong.local.Ring = trust.NewRing(secret(2))
	ctx, cancel := context.WithCancel(t.Context())
	accepted, done := make(chan *encap.Stream, 1), make(chan error, 1)
	go func() { done <- b.streams.Serve(ctx, ln, func(s *encap.Stream) { accepted <- s }) }()
	to := ln.Addr().(*net.TCPAddr).AddrPort()

	s, err := a.streams.Dial(t.Context(), to)
	if err != nil {
		t.Fatal(err)
	}
	other := <-accepted
	go func() { s.Write([]byte("hello")); s.Close() }()
	if got, err := io.ReadAll(other); err != nil || string(got) != "hello" {
		t.Errorf("%q, %v", got, err)
	}
	other.Close()

	var refused *encap.RefusedError
	if _, err := wrong.streams.Dial(t.Context(), to); !errors.As(err, &refused) || refused.Reason != encap.RefusedSecret {
		t.Errorf("wrong secret: %v", err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if r := b.lastRefused(t); r.Reason != encap.RefusedSecret {
		t.Errorf("acceptor: %v", r)
	}
}
