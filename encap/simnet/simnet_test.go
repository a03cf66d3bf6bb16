package simnet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/weftnet/weft/encap"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	addrA, addrB   = netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	addrA6, addrB6 = netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
)

const port = 9338

func two(t *testing.T, o Options, f func(t *testing.T, n *Network, a, b *Host)) {
	synctest.Test(t, func(t *testing.T) {
		n := New(o)
		f(t, n, n.Host(addrA, addrA6), n.Host(addrB, addrB6))
	})
}

func to(a netip.Addr) encap.Endpoint { return encap.Endpoint{Addr: netip.AddrPortFrom(a, port)} }

// opened is a port and its one connection.
type opened struct {
	encap.Port
	encap.Conn
}

func listen(h *Host, port uint16) opened {
	p := h.ListenUDP(port)
	return opened{p, p.Lanes()[0]}
}

func send(c encap.Conn, to encap.Endpoint, frame string) encap.SendResult {
	return c.Send([]encap.Train{{To: to, Bufs: [][]byte{[]byte(frame)}}})
}

// next receives one frame.
func next(t *testing.T, c encap.Conn) (string, encap.Endpoint) {
	t.Helper()
	batch, err := c.Receive()
	if err != nil || len(batch) != 1 {
		t.Fatalf("%d datagrams, %v", len(batch), err)
	}
	return string(batch[0].Data), batch[0].From
}

func TestFrameArrivesAfterTheDelayInBothFamilies(t *testing.T) {
	two(t, Options{Delay: 30 * time.Millisecond}, func(t *testing.T, _ *Network, a, b *Host) {
		ca, cb := listen(a, port), listen(b, port)
		for _, c := range []struct{ from, to netip.Addr }{{addrA, addrB}, {addrA6, addrB6}} {
			began := time.Now()
			send(ca, to(c.to), "frame")
			got, from := next(t, cb)
			if want := (encap.Endpoint{Addr: netip.AddrPortFrom(c.from, port), Local: c.to}); got != "frame" || from != want {
				t.Errorf("%q from %+v", got, from)
			}
			if took := time.Since(began); took != 30*time.Millisecond {
				t.Errorf("took %s", took)
			}
		}
	})
}

func TestTrainArrivesAsItsFrames(t *testing.T) {
	two(t, Options{}, func(t *testing.T, _ *Network, a, b *Host) {
		ca, cb := listen(a, port), listen(b, port)
		r := ca.Send([]encap.Train{{To: to(addrB), Bufs: [][]byte{[]byte("abc"), []byte("defg")}, Size: 3, ECN: 2}})
		batch, err := cb.Receive()
		if r.Sent != 3 || err != nil || len(batch) != 3 || string(batch[2].Data) != "g" || batch[0].ECN != 2 {
			t.Errorf("%+v, %v, %v", r, batch, err)
		}
	})
}

func TestLanesSendFromPortsOfTheirOwnAndReceiveByTheFramesLane(t *testing.T) {
	two(t, Options{}, func(t *testing.T, _ *Network, a, b *Host) {
		pa, pb := a.ListenLanes(port, 3), b.ListenLanes(port, 2)
		for i, lane := range pa.Lanes() {
			frame := encap.Header{Type: encap.Data, Lane: uint8(i)}.Append(nil)
			if r := send(lane, to(addrB), string(frame)); r.Sent != 1 || r.Calls != 1 || r.Messages != 1 {
				t.Errorf("%+v", r)
			}
			if got, from := next(t, pb.Lanes()[i%2]); got != string(frame) || (from.Addr.Port() == port) != (i == 0) {
				t.Errorf("lane %d: %x from %s", i, got, from.Addr)
			}
		}
		send(pa.Lanes()[0], to(addrB), "x")
		if got, _ := next(t, pb.Lanes()[0]); got != "x" {
			t.Errorf("what is too short for a lane: %q", got)
		}
		pb.Close()
		for _, lane := range pb.Lanes() {
			if _, err := lane.Receive(); !errors.Is(err, os.ErrClosed) {
				t.Errorf("after Close: %v", err)
			}
		}
	})
}

func TestWhatCannotBeSentIsCounted(t *testing.T) {
	two(t, Options{MTU: 100}, func(t *testing.T, n *Network, a, _ *Host) {
		only4 := listen(n.Host(netip.MustParseAddr("192.0.2.9")), port)
		if r := send(only4, to(addrB6), "x"); r.Unreachable != 1 || !errors.Is(r.Err, syscall.ENETUNREACH) {
			t.Errorf("%+v", r)
		}
		if r := send(only4, to(addrB), string(make([]byte, 73))); r.TooBig != 1 || !errors.Is(r.Err, syscall.EMSGSIZE) {
			t.Errorf("%+v", r)
		}
		if r := send(only4, to(addrB), string(make([]byte, 72))); r.Sent != 1 {
			t.Errorf("%+v", r)
		}
		only4.Close()
		if r := send(only4, to(addrB), "x"); r.Failed != 1 || !errors.Is(r.Err, os.ErrClosed) {
			t.Errorf("%+v", r)
		}
	})
}

func TestCutLosesFramesAndHealLetsThemPass(t *testing.T) {
	two(t, Options{}, func(t *testing.T, n *Network, a, b *Host) {
		ca, cb := listen(a, port), listen(b, port)
		n.Cut(b, a)
		if r := send(ca, to(addrB), "lost"); r.Sent != 1 {
			t.Errorf("%+v", r)
		}
		n.Heal(a, b)
		send(ca, to(addrB), "found")
		if got, _ := next(t, cb); got != "found" {
			t.Errorf("%q", got)
		}
	})
}

func TestTheSameSeedLosesTheSameFrames(t *testing.T) {
	run := func() (got string) {
		two(t, Options{Seed: 7, Loss: 0.5}, func(t *testing.T, _ *Network, a, b *Host) {
			ca, cb := listen(a, port), listen(b, port)
			for i := range 64 {
				send(ca, to(addrB), fmt.Sprint(i%10))
			}
			batch, _ := cb.Receive()
			for _, d := range batch {
				got += string(d.Data)
			}
		})
		return got
	}
	if first, second := run(), run(); first != second || len(first) < 16 || len(first) > 48 {
		t.Errorf("%q and %q", first, second)
	}
}

func TestOrderIsKeptWithoutJitter(t *testing.T) {
	two(t, Options{Delay: time.Millisecond}, func(t *testing.T, _ *Network, a, b *Host) {
		ca, cb := listen(a, port), listen(b, port)
		for i := range 10 {
			send(ca, to(addrB), fmt.Sprint(i))
		}
		got := ""
		for len(got) < 10 {
			batch, _ := cb.Receive()
			for _, d := range batch {
				got += string(d.Data)
			}
		}
		if got != "0123456789" {
			t.Errorf("%q", got)
		}
	})
}

func TestCloseWakesReceive(t *testing.T) {
	two(t, Options{}, func(t *testing.T, _ *Network, a, _ *Host) {
		c := listen(a, 0)
		time.AfterFunc(time.Second, func() { c.Close() })
		if _, err := c.Receive(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("%v", err)
		}
	})
}

func TestNewAddressIsReachedAndTheOldOneIsNot(t *testing.T) {
	two(t, Options{}, func(t *testing.T, _ *Network, a, b *Host) {
		ca, cb := listen(a, port), listen(b, port)
		moved := netip.MustParseAddr("192.0.2.22")
		b.Readdress(moved)
		send(ca, to(addrB), "old")
		send(ca, to(moved), "new")
		if got, _ := next(t, cb); got != "new" {
			t.Errorf("%q", got)
		}
		send(cb, to(addrA), "back")
		if _, from := next(t, ca); from.Addr.Addr() != moved {
			t.Errorf("from %s", from.Addr)
		}
	})
}

// dialed is a connection and its other end.
func dialed(t *testing.T, a, b *Host) (ours, theirs *tcpConn) {
	t.Helper()
	ln := b.ListenTCP(port)
	defer ln.Close()
	x, err := a.DialContext(t.Context(), "tcp", to(addrB).Addr.String())
	if err != nil {
		t.Fatal(err)
	}
	y, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.Close(); y.Close() })
	return x.(*tcpConn), y.(*tcpConn)
}

func TestConnectionCarriesMoreThanItsWindow(t *testing.T) {
	two(t, Options{Delay: time.Millisecond}, func(t *testing.T, _ *Network, a, b *Host) {
		x, y := dialed(t, a, b)
		go func() {
			x.Write(make([]byte, 3*windowLen))
			x.Close()
		}()
		if got, err := io.ReadAll(y); len(got) != 3*windowLen || err != nil {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		if _, err := y.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) {
			y.Write([]byte("x")) // the first may still go
			if _, err := y.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("write to a closed end: %v", err)
			}
		}
	})
}

func TestConnectionStandsStillWhileThePathIsCut(t *testing.T) {
	two(t, Options{}, func(t *testing.T, n *Network, a, b *Host) {
		x, y := dialed(t, a, b)
		n.Cut(a, b)
		x.Write([]byte("late"))
		y.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := y.Read(make([]byte, 4)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%v", err)
		}
		y.SetReadDeadline(time.Time{})
		time.AfterFunc(time.Minute, func() { n.Heal(a, b) })
		began := time.Now()
		got := make([]byte, 4)
		if _, err := io.ReadFull(y, got); err != nil || string(got) != "late" || time.Since(began) != time.Minute {
			t.Errorf("%q, %v, after %s", got, err, time.Since(began))
		}
	})
}

func TestDatagramsThatFindTheQueueFullAreLostAndCounted(t *testing.T) {
	two(t, Options{}, func(t *testing.T, _ *Network, a, b *Host) {
		ca, cb := listen(a, port), listen(b, port)
		for range queueLen + 3 {
			send(ca, to(addrB), "frame")
		}
		batch, err := cb.Receive()
		if err != nil || len(batch) != queueLen || cb.Overflow() != 3 || ca.Overflow() != 0 {
			t.Errorf("%d datagrams came, %v; %d are counted as lost", len(batch), err, cb.Overflow())
		}
	})
}

func TestCrashResetsConnectionsAndFreesPorts(t *testing.T) {
	two(t, Options{}, func(t *testing.T, _ *Network, a, b *Host) {
		_, y := dialed(t, a, b)
		u, l := listen(a, port), a.ListenTCP(port)
		a.Crash()
		if _, err := y.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%v", err)
		}
		if _, err := u.Receive(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("%v", err)
		}
		if _, err := l.Accept(); err == nil {
			t.Error("the listener accepts")
		}
		a.ListenUDP(port).Close()
		a.ListenTCP(port).Close()
	})
}

func TestDialFailsAsTCPDoes(t *testing.T) {
	two(t, Options{Delay: 10 * time.Millisecond}, func(t *testing.T, n *Network, a, b *Host) {
		if _, err := a.DialContext(t.Context(), "tcp", to(addrB).Addr.String()); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("no listener: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := a.DialContext(ctx, "tcp", "192.0.2.99:1"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("no host: %v", err)
		}
		only4 := n.Host(netip.MustParseAddr("192.0.2.9"))
		if _, err := only4.DialContext(t.Context(), "tcp", to(addrB6).Addr.String()); !errors.Is(err, syscall.ENETUNREACH) {
			t.Errorf("no family: %v", err)
		}
		if _, err := a.DialContext(t.Context(), "tcp", "host:1"); err == nil {
			t.Error("no address: no error")
		}
		ln := b.ListenTCP(port)
		defer ln.Close()
		n.Cut(a, b)
		time.AfterFunc(time.Minute, func() { n.Heal(a, b) })
		began := time.Now()
		conn, err := a.DialContext(t.Context(), "tcp", to(addrB).Addr.String())
		if err != nil || time.Since(began) != time.Minute+20*time.Millisecond {
			t.Fatalf("after a cut: %v after %s", err, time.Since(began))
		}
		conn.Close()
	})
}
