package encap

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// laneFrame is a data frame of a sender's lane.
func laneFrame(lane uint8) []byte {
	return append(Header{Type: Data, Lane: lane, Index: 7}.Append(nil), "packet"...)
}

// next receives what has come to one lane.
func (u opened) next(t *testing.T, lane int) Datagram {
	t.Helper()
	c := u.conns[lane]
	stop := time.AfterFunc(10*time.Second, func() { u.Close() })
	defer stop.Stop()
	batch, err := c.Receive()
	if err != nil || len(batch) != 1 {
		t.Fatalf("lane %d: %d datagrams, %v", lane, len(batch), err)
	}
	return batch[0]
}

// nothing waits at the other lanes.
func (u opened) nothing(t *testing.T) {
	t.Helper()
	for i, c := range u.conns {
		if batch, err := c.TryReceive(); len(batch) > 0 || err != nil {
			t.Errorf("lane %d: %d datagrams, %v", i, len(batch), err)
		}
	}
}

func TestFramesOfALaneComeToTheConnectionOfItsNumber(t *testing.T) {
	for lanes := 2; lanes <= 5; lanes++ {
		t.Run(fmt.Sprint(lanes), func(t *testing.T) {
			paths(t, UDPOptions{Lanes: lanes}, func(t *testing.T, a, b opened, addr string) {
				if len(b.Lanes()) != lanes {
					t.Fatalf("%d lanes", len(b.Lanes()))
				}
				for lane := range uint8(12) {
					a.Send([]Train{single(at(addr, b.Port()), laneFrame(lane))})
					if d := b.next(t, int(lane)%lanes); d.Data[laneByte] != lane {
						t.Errorf("frame of lane %d at %d", d.Data[laneByte], lane)
					}
				}
				b.nothing(t)
			})
		})
	}
}

func TestTrainOfALaneComesWholeToItsConnection(t *testing.T) {
	paths(t, UDPOptions{Lanes: 3}, func(t *testing.T, a, b opened, addr string) {
		var train Train
		for range 40 {
			train.Bufs = append(train.Bufs, laneFrame(5))
		}
		train.To, train.Size = at(addr, b.Port()), len(laneFrame(5))
		a.Send([]Train{train})
		if d := b.next(t, 2); len(d.Data) != 40*train.Size || d.Size != train.Size {
			t.Errorf("%d bytes in frames of %d", len(d.Data), d.Size)
		}
	})
}

func TestWhatIsTooShortForALaneComesToTheFirst(t *testing.T) {
	paths(t, UDPOptions{Lanes: 2}, func(t *testing.T, a, b opened, addr string) {
		for _, short := range []string{"\x01", "\x01\x01"} {
			a.Send([]Train{single(at(addr, b.Port()), []byte(short))})
			if d := b.next(t, 0); string(d.Data) != short {
				t.Errorf("%x", d.Data)
			}
		}
		b.nothing(t)
	})
}

func TestLanesSendFromPortsOfTheirOwnThatHearNothing(t *testing.T) {
	a, b := open(t, UDPOptions{Listen: "127.0.0.1:0", Lanes: 3}), listen(t, "127.0.0.1:0")
	sources := map[netip.AddrPort]bool{}
	for i, lane := range a.Lanes() {
		if r := lane.Send([]Train{single(at("127.0.0.1", b.Port()), []byte("x"))}); r.Sent != 1 {
			t.Fatalf("lane %d: %+v", i, r)
		}
		from := b.next(t, 0).From.Addr
		sources[from] = true
		if (from.Port() == a.Port()) != (i == 0) || from.Addr() != netip.MustParseAddr("127.0.0.1") {
			t.Errorf("lane %d sends from %s, the port is %d", i, from, a.Port())
		}
		if i > 0 {
			b.Send([]Train{single(Endpoint{Addr: from}, laneFrame(0))})
		}
	}
	if len(sources) != 3 {
		t.Errorf("sent from %v", sources)
	}
	b.Send([]Train{single(at("127.0.0.1", a.Port()), laneFrame(0))})
	a.next(t, 0) // came after the others
	a.nothing(t)
	for _, c := range a.conns[1:] {
		fds := []unix.PollFd{{Fd: int32(c.out.fd), Events: unix.POLLIN}}
		if n, err := unix.Poll(fds, 0); n != 0 || err != nil {
			t.Errorf("something waits where nobody reads: %d, %v", n, err)
		}
	}
}

func TestSecondDaemonIsRefusedWhateverItsLanes(t *testing.T) {
	for _, first := range []int{1, 3} {
		for _, second := range []int{1, 3} {
			for _, listen := range []string{"127.0.0.1", "0.0.0.0", "[::1]", "[::]"} {
				u := open(t, UDPOptions{Listen: listen + ":0", Lanes: first})
				for _, again := range []string{listen, "[::]"} {
					v, err := ListenUDP(UDPOptions{Listen: fmt.Sprintf("%s:%d", again, u.Port()), Lanes: second})
					if !errors.Is(err, ErrInUse) {
						t.Errorf("%d lanes at %s beside %d at %s: %v", second, again, first, listen, err)
					}
					if err == nil {
						v.Close()
					}
				}
				u.Close()
			}
		}
	}
}

func TestOfTwoDaemonsThatStartAtOnceOneGetsThePort(t *testing.T) {
	for range 50 {
		u := open(t, UDPOptions{Listen: "127.0.0.1:0"})
		at := fmt.Sprintf("127.0.0.1:%d", u.Port())
		u.Close()
		var ports [4]*UDPPort
		var errs [4]error
		var wg sync.WaitGroup
		for i := range ports {
			wg.Go(func() { ports[i], errs[i] = ListenUDP(UDPOptions{Listen: at, Lanes: 2}) })
		}
		wg.Wait()
		started := 0
		for i, p := range ports {
			if errs[i] == nil {
				started++
				p.Close()
			} else if !errors.Is(errs[i], ErrInUse) {
				t.Errorf("refused with %v", errs[i])
			}
		}
		if started != 1 {
			t.Fatalf("%d of %d have the port", started, len(ports))
		}
	}
}

func TestPortIsFreeWhenCloseReturns(t *testing.T) {
	for range 20 {
		u := open(t, UDPOptions{Listen: "127.0.0.1:0", Lanes: 3})
		var wg sync.WaitGroup
		for _, c := range u.conns {
			wg.Go(func() { c.Receive() })
		}
		u.Close()
		again := open(t, UDPOptions{Listen: fmt.Sprintf("127.0.0.1:%d", u.Port()), Lanes: 2})
		again.Close()
		wg.Wait()
	}
}

func TestOverflowOfAllLanesIsSummed(t *testing.T) {
	a, b := open(t, UDPOptions{Listen: ":0", GSO: KnobOff}), open(t, UDPOptions{Listen: ":0", Lanes: 2})
	want := uint64(0)
	for lane, c := range b.conns {
		if err := unix.SetsockoptInt(c.in.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 16<<10); err != nil {
			t.Fatal(err)
		}
		frame := append(laneFrame(uint8(lane)), make([]byte, 1000)...)
		to := at("127.0.0.1", b.Port())
		for range 100 {
			a.Send([]Train{single(to, frame)})
		}
		came, _ := c.Receive()
		dropped := 100 - len(came)
		a.Send([]Train{single(to, frame)})
		if came, err := c.Receive(); err != nil || len(came) != 1 { // which tells the count
			t.Fatalf("%d datagrams, %v", len(came), err)
		}
		want += uint64(dropped)
	}
	if got := b.Overflow(); got != want || want == 0 {
		t.Errorf("overflow %d, want %d", got, want)
	}
}
