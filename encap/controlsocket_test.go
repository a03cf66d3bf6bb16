package encap

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// frameOf is a frame of a type, of lane 1.
func frameOf(typ Type) []byte { return Header{Type: typ, Lane: 1, Index: 7}.Append(nil) }

// controlled is a port with a control socket. The test is skipped where the kernel cannot steer frames to it.
func controlled(t *testing.T, o UDPOptions) opened {
	t.Helper()
	o.Control = true
	u := open(t, o)
	if u.Control() == nil {
		t.Skipf("no control socket: %+v", u.Features())
	}
	return u
}

// nextControl receives what has come to the control socket.
func (u opened) nextControl(t *testing.T) Datagram {
	t.Helper()
	stop := time.AfterFunc(10*time.Second, func() { u.Close() })
	defer stop.Stop()
	batch, err := u.Control().Receive()
	if err != nil || len(batch) != 1 {
		t.Fatalf("control: %d datagrams, %v", len(batch), err)
	}
	return batch[0]
}

func TestFramesWithPacketsComeToTheLanesAndAllOthersToControl(t *testing.T) {
	for lanes := 1; lanes <= 3; lanes++ {
		t.Run(fmt.Sprint(lanes), func(t *testing.T) {
			paths(t, UDPOptions{Lanes: lanes, Control: true}, func(t *testing.T, a, b opened, addr string) {
				if b.Control() == nil {
					t.Skipf("no control socket: %+v", b.Features())
				}
				for typ := range Type(16) {
					frame := frameOf(typ)
					a.Send([]Train{single(at(addr, b.Port()), frame)})
					var d Datagram
					if typ == Data || typ == Relay || typ == Part {
						d = b.next(t, 1%lanes)
					} else {
						d = b.nextControl(t)
					}
					if string(d.Data) != string(frame) {
						t.Errorf("type %d: %x", typ, d.Data)
					}
				}
				b.nothing(t)
			})
		})
	}
}

func TestControlSendsFromThePortWithPriority(t *testing.T) {
	a, b := controlled(t, UDPOptions{Listen: "127.0.0.1:0", Lanes: 2}), listen(t, "127.0.0.1:0")
	if r := a.Control().Send([]Train{single(at("127.0.0.1", b.Port()), frameOf(Control))}); r.Sent != 1 {
		t.Fatalf("%+v", r)
	}
	if from := b.next(t, 0).From.Addr.Port(); from != a.Port() {
		t.Errorf("sent from port %d, the port is %d", from, a.Port())
	}
	if got, err := unix.GetsockoptInt(a.control.in.fd, unix.SOL_SOCKET, unix.SO_PRIORITY); err != nil || got != controlPriority {
		t.Errorf("priority %d, %v", got, err)
	}
}

// A full buffer of the control socket takes nothing from the lanes, nor the other way round.
func TestAFloodOfControlFramesTakesNoRoomOfTheLanes(t *testing.T) {
	a, b := open(t, UDPOptions{Listen: "127.0.0.1:0", GSO: KnobOff}), controlled(t, UDPOptions{Listen: "127.0.0.1:0"})
	for _, c := range b.all() {
		if err := unix.SetsockoptInt(c.in.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 16<<10); err != nil {
			t.Fatal(err)
		}
	}
	to := at("127.0.0.1", b.Port())
	for range 200 {
		a.Send([]Train{single(to, frameOf(Initiation))})
	}
	a.Send([]Train{single(to, laneFrame(0))})
	if d := b.next(t, 0); string(d.Data) != string(laneFrame(0)) {
		t.Errorf("lane 0 got %x", d.Data)
	}
}

func TestWithoutTheProgramAllFramesComeToTheLanesAndFeaturesSayWhy(t *testing.T) {
	u := open(t, UDPOptions{Listen: "127.0.0.1:0"})
	if u.Control() != nil {
		t.Error("a control socket that nobody asked for")
	}
	u.at = at("192.0.2.1", u.Port()).Addr // where nothing can be bound
	u.openControl()
	f := u.Features()[len(u.Features())-1]
	if u.Control() != nil || f.Name != "control-socket" || f.State != FeatureUnavailable || f.Reason == "" {
		t.Errorf("%v, %+v", u.Control(), f)
	}
}

// What comes while no process has the port waits in the sockets of the lanes, of whatever type it is; the next process has a
// control socket again. The same holds where an earlier build left the port, or goes on with it: neither has one.
func TestFramesOfAllTypesWaitInTheLanesWhileNobodyReads(t *testing.T) {
	for lanes := 1; lanes <= 3; lanes++ {
		for _, controls := range [][2]bool{{true, true}, {true, false}, {false, true}} {
			t.Run(fmt.Sprint(lanes, " lanes, control ", controls), func(t *testing.T) {
				a := listen(t, "127.0.0.1:0")
				o := UDPOptions{Listen: "127.0.0.1:0", Lanes: lanes, Control: controls[0]}
				before := open(t, o)
				o.Listen, o.Control, o.Inherited = atPort("127.0.0.1", before.Port()), controls[1], leave(t, before.UDPPort)
				to := at("127.0.0.1", before.Port())
				for _, typ := range []Type{Control, Data} {
					a.Send([]Train{single(to, frameOf(typ))})
				}
				after := open(t, o)
				if got := after.drain(t); got[Control] != 1 || got[Data] != 1 {
					t.Errorf("came to the lanes: %v", got)
				}
				a.Send([]Train{single(to, frameOf(Data))})
				if d := after.next(t, 1%lanes); Type(d.Data[0]&15) != Data {
					t.Errorf("lane got %x", d.Data)
				}
				if after.Control() != nil {
					a.Send([]Train{single(to, frameOf(Control))})
					after.nextControl(t)
				}
				after.nothing(t)
			})
		}
	}
}

// drain counts by type what waits in the lanes.
func (u opened) drain(t *testing.T) map[Type]int {
	t.Helper()
	came := map[Type]int{}
	for _, c := range u.conns {
		batch, err := c.TryReceive()
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range batch {
			came[Type(d.Data[0]&15)]++
		}
	}
	return came
}

func TestClosingAPortWithAControlSocketWakesItAndFreesThePort(t *testing.T) {
	u := controlled(t, UDPOptions{Listen: "127.0.0.1:0", Lanes: 2})
	ended := make(chan error)
	go func() {
		_, err := u.Control().Receive()
		ended <- err
	}()
	u.Close()
	if err := <-ended; !errors.Is(err, os.ErrClosed) {
		t.Errorf("Receive: %v", err)
	}
	listen(t, atPort("127.0.0.1", u.Port()))
}
