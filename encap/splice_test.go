package encap_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/encap/simnet"
	"github.com/weftnet/weft/trust"
)

var addrC = netip.MustParseAddr("192.0.2.3")

// three are a dialer, a peer that reaches both others, and who is called. Links between the first and the last are cut.
type three struct {
	t        *testing.T
	a, b, c  *end
	way      func() (encap.SpliceWay, error) // of b
	accepted <-chan *encap.Stream            // by c
	leg      *leg
}

// leg is what b sends to c.
type leg struct {
	dialer encap.Dialer

	mu   sync.Mutex // guards what follows
	sent bytes.Buffer
}

func (l *leg) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := l.dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &tapped{conn, l}, nil
}

func (l *leg) holds(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Contains(l.sent.Bytes(), []byte(text))
}

type tapped struct {
	net.Conn
	leg *leg
}

func (c *tapped) Write(p []byte) (int, error) {
	c.leg.mu.Lock()
	c.leg.sent.Write(p)
	c.leg.mu.Unlock()
	return c.Conn.Write(p)
}

func inThree(t *testing.T, f func(x *three), change ...func(*three)) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(simnet.Options{Seed: 1, Delay: 10 * time.Millisecond})
		x := &three{t: t}
		x.way = func() (encap.SpliceWay, error) { return encap.SpliceWay{At: netip.AddrPortFrom(addrC, testPort)}, nil }
		x.a = newEnd(t, n, 1, addrA)
		x.b = newEnd(t, n, 2, addrB, func(c *encap.StreamsConfig) {
			x.leg = &leg{dialer: c.Dialer}
			c.Dialer, c.Way = x.leg, func(from, to trust.Fingerprint) (encap.SpliceWay, error) {
				if from != x.a.local.Identity.Fingerprint() {
					return encap.SpliceWay{}, errors.New("not for it")
				}
				return x.way()
			}
		})
		x.c = newEnd(t, n, 3, addrC)
		for _, e := range []*end{x.a, x.b, x.c} {
			e.local.Settings.Capabilities = encap.CapSplice
		}
		for _, f := range change {
			f(x)
		}
		n.Cut(x.a.host, x.c.host)
		x.b.serve(t)
		x.accepted = x.c.serve(t)
		f(x)
	})
}

func (x *three) dial() (*encap.Stream, error) {
	return x.a.streams.DialThrough(x.t.Context(), netip.AddrPortFrom(addrB, testPort), x.c.local.Identity.Fingerprint())
}

// joined is a stream from a to c.
func (x *three) joined() (dialed, accepted *encap.Stream) {
	x.t.Helper()
	dialed, err := x.dial()
	if err != nil {
		x.t.Fatal(err)
	}
	accepted = <-x.accepted
	x.t.Cleanup(func() { dialed.Close(); accepted.Close() })
	return dialed, accepted
}

// asked makes b ask c instead of calling it, by way of an Answer.
func asked(x *three) {
	answers := make(chan *encap.Stream, 8)
	x.way = func() (encap.SpliceWay, error) {
		return encap.SpliceWay{Ask: func(id uint64) error {
			go func() {
				s, err := x.c.streams.Answer(x.t.Context(), netip.AddrPortFrom(addrB, testPort), x.b.local.Identity.Fingerprint(), id)
				if err == nil {
					answers <- s
				}
			}()
			return nil
		}}, nil
	}
	x.t.Cleanup(func() { x.accepted = nil })
	x.accepted = answers
}

func TestAStreamIsJoinedThroughAPeerThatCallsOrAsksAndCannotRead(t *testing.T) {
	for name, way := range map[string]func(*three){"calls": func(*three) {}, "asks": asked} {
		t.Run(name, func(t *testing.T) {
			inThree(t, func(x *three) {
				way(x)
				dialed, accepted := x.joined()
				text := bytes.Repeat([]byte("known text "), 5000)
				go func() {
					_, _ = dialed.Write(text)
					dialed.Close()
				}()
				got, err := io.ReadAll(accepted)
				if !bytes.Equal(got, text) || err != nil {
					t.Errorf("%d bytes of %d came, %v", len(got), len(text), err)
				}
				if x.leg.holds("known text") {
					t.Error("the peer could read it")
				}
				if dialed.Remote().Keys != x.c.local.Identity.Public() || accepted.Remote().Keys != x.a.local.Identity.Public() {
					t.Error("the ends are not who they are")
				}
				for _, s := range []*encap.Stream{dialed, accepted} {
					if s.Addr().IsValid() || s.Remote().Observed.IsValid() || !s.Through() {
						t.Errorf("an end takes %v for the other's address, and %v for its own", s.Addr(), s.Remote().Observed)
					}
				}
				accepted.Close()
				time.Sleep(2 * time.Second)
				if c := x.b.streams.Counts(); c.Spliced != 1 || c.SplicedBytes < uint64(len(text)) {
					t.Errorf("counted: %+v", c)
				}
			})
		})
	}
}

func TestAnAnswerTravelsBackThroughThePeer(t *testing.T) {
	inThree(t, func(x *three) {
		dialed, accepted := x.joined()
		go func() { _, _ = io.Copy(accepted, accepted) }()
		if _, err := dialed.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 5)
		if _, err := io.ReadFull(dialed, got); err != nil || string(got) != "hello" {
			t.Errorf("%q came back, %v", got, err)
		}
	})
}

func TestAStreamThatIsNotJoinedSaysWhy(t *testing.T) {
	nowhere := netip.AddrPortFrom(addrC, testPort+1)
	for name, c := range map[string]struct {
		change func(*three)
		want   string
		counts uint64
	}{
		"policy": {func(x *three) {
			x.way = func() (encap.SpliceWay, error) { return encap.SpliceWay{}, errors.New("relay: refuse") }
		}, "relay: refuse", 1},
		"nobody listens": {func(x *three) {
			x.way = func() (encap.SpliceWay, error) { return encap.SpliceWay{At: nowhere}, nil }
		}, "refused", 1},
		"no answer": {func(x *three) {
			x.way = func() (encap.SpliceWay, error) {
				return encap.SpliceWay{Ask: func(uint64) error { return nil }}, nil
			}
		}, "does not answer", 1},
		"older peer":   {func(x *three) { x.b.local.Settings.Capabilities = 0 }, "older build", 0},
		"older target": {func(x *three) { x.c.local.Settings.Capabilities = 0 }, "older build", 0},
		"another answers": {func(x *three) {
			x.way = func() (encap.SpliceWay, error) { return encap.SpliceWay{At: netip.AddrPortFrom(addrB, testPort)}, nil }
		}, "another node answers", 0},
	} {
		t.Run(name, func(t *testing.T) {
			inThree(t, func(x *three) {
				began := time.Now()
				s, err := x.dial()
				if err == nil {
					s.Close()
					t.Fatal("it came about")
				}
				if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "invalid AddrPort") {
					t.Errorf("%v; want %q in it", err, c.want)
				}
				if took := time.Since(began); took > 5*time.Second {
					t.Errorf("it took %v", took)
				}
				time.Sleep(2 * time.Second)
				if n := x.b.streams.Counts().Unspliced; n != c.counts {
					t.Errorf("%d counted, want %d", n, c.counts)
				}
				if len(x.b.refused) != 0 {
					t.Errorf("told of as one of another cluster: %v", x.b.refused[0])
				}
			}, c.change)
		})
	}
}

func TestOneDialerHasEightStreamsJoinedAtOnce(t *testing.T) {
	inThree(t, func(x *three) {
		var open []*encap.Stream
		for range 8 {
			s, _ := x.joined()
			open = append(open, s)
		}
		if _, err := x.dial(); err == nil || !strings.Contains(err.Error(), "too many") {
			t.Fatalf("a ninth: %v", err)
		}
		open[0].Close()
		time.Sleep(2 * time.Second)
		x.joined()
	})
}

// A hub that asks for streams, and keeps what comes of them open, takes no more than its share of those that a node has open.
func TestStreamsThatOnePeerJoinsCountAsThatPeers(t *testing.T) {
	few := func(x *three) {
		x.c.streams = encap.NewStreams(encap.StreamsConfig{
			Local: x.c.local, Boot: trust.BootNonce{3}, Started: time.Now(), Port: testPort, Dialer: x.c.host, OpenPerSource: 2,
		})
	}
	inThree(t, func(x *three) {
		asked(x)
		for range 2 {
			x.joined()
		}
		if s, err := x.b.streams.Dial(x.t.Context(), netip.AddrPortFrom(addrC, testPort)); err == nil {
			x.t.Cleanup(func() { s.Close() })
		}
		synctest.Wait()
		if c := x.c.streams.Counts(); c.Accepted != 2 || c.Busy != 1 {
			t.Errorf("a third one, of the peer itself: %+v", c)
		}
	}, few)
}

func TestAJoinedStreamThatNobodyClosesEnds(t *testing.T) {
	inThree(t, func(x *three) {
		dialed, _ := x.joined()
		began := time.Now()
		if _, err := dialed.Read(make([]byte, 1)); err == nil {
			t.Error("something came")
		}
		if took := time.Since(began); took < 50*time.Second || took > 70*time.Second {
			t.Errorf("after %v", took)
		}
	})
}

func TestAStreamThatNobodyAskedForIsRefused(t *testing.T) {
	inThree(t, func(x *three) {
		_, err := x.c.streams.Answer(x.t.Context(), netip.AddrPortFrom(addrB, testPort), x.b.local.Identity.Fingerprint(), 7)
		if refused := new(encap.RefusedError); !errors.As(err, &refused) || refused.Reason != encap.RefusedSplice {
			t.Errorf("%v", err)
		}
		_, err = x.c.streams.Answer(x.t.Context(), netip.AddrPortFrom(addrB, testPort), x.a.local.Identity.Fingerprint(), 7)
		if err == nil {
			t.Error("it was opened to another peer")
		}
	})
}

func TestWhatIsForNobodyEndsWithTheServer(t *testing.T) {
	inThree(t, func(x *three) {
		ctx, cancel := context.WithCancel(x.t.Context())
		cancel()
		_, err := x.a.streams.DialThrough(ctx, netip.AddrPortFrom(addrB, testPort), x.c.local.Identity.Fingerprint())
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	})
}

func TestSpliceCallsNeedAnID(t *testing.T) {
	body, err := encap.ParseSplice(encap.SpliceBody{ID: 1 << 63}.Append(nil))
	if err != nil || body.ID != 1<<63 {
		t.Errorf("%+v, %v", body, err)
	}
	for _, raw := range [][]byte{encap.SpliceBody{}.Append(nil), nil, {0xff}, []byte("text")} {
		if _, err := encap.ParseSplice(raw); !errors.Is(err, encap.ErrPayload) {
			t.Errorf("%x: %v", raw, err)
		}
	}
}
