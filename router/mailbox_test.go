package router

import (
	"fmt"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/packet/packettest"
	"github.com/weftnet/weft/tun"
)

// newLanes is a couple with four lanes, which can be woken.
func newLanes(t *testing.T) *couple {
	x := newCouple(t, byHand{lanes: 4}, tun.Joins{})
	for _, l := range x.b.router.lanes {
		l.poller = newTestPoller(t)
	}
	return x
}

// misdirect gives b's lane 3 frames of lane 1, in memory that is used again.
func (x *couple) misdirect(count int) (texts []string) {
	memory := make([]byte, 2000)
	for i := range count {
		text := fmt.Sprint("frame ", i)
		texts = append(texts, text)
		frame := memory[:copy(memory, x.seal(1, text))]
		x.b.lane(3).inbound([]encap.Datagram{{From: x.b.from(x.a), Data: frame}})
	}
	return texts
}

// texts is what came out of a queue of b's device.
func (x *couple) texts(queue int) (texts []string) {
	for _, p := range written(x.dev.Queue(queue)) {
		texts = append(texts, string(packettest.Payload(p.Data)))
	}
	return texts
}

func TestAFrameThatComesToTheWrongConnectionIsCarriedOverToItsLane(t *testing.T) {
	x := newLanes(t)
	want := x.misdirect(20)
	if n, _ := unix.Poll(x.b.lane(1).poller.fds[:1], 0); n != 1 {
		t.Error("lane 1 was not woken")
	}
	if !x.b.lane(1).takeMail() || x.b.lane(1).takeMail() {
		t.Error("lane 1 found no mail, or twice the same")
	}
	if got := x.texts(1); !slices.Equal(got, want) {
		t.Errorf("lane 1 delivered %q, want %q", got, want)
	}
	if n := x.b.router.Lanes()[3].Misdirected; n != 20 || len(x.b.drops()) != 0 {
		t.Errorf("%d counted as misdirected, dropped %v", n, x.b.drops())
	}
	if in := x.b.router.Counters().In; in.Packets != 20 || x.b.known(x.a).rx.packets.Load() != 20 {
		t.Errorf("in %+v", in)
	}
	for _, lane := range []int{0, 2, 3} {
		if got := x.texts(lane); len(got) != 0 || x.b.lane(lane).takeMail() {
			t.Errorf("lane %d delivered %q, or has mail", lane, got)
		}
	}
}

func TestMisdirectedFramesForWhichThereIsNoRoomAreOfTheWrongLane(t *testing.T) {
	x := newLanes(t)
	want := x.misdirect(mailboxLen + 3)
	if d := x.b.drops(); len(d) != 1 || d[WrongLane] != 3 {
		t.Errorf("dropped %v, want 3 of the wrong lane", d)
	}
	for x.b.lane(1).takeMail() {
	}
	if got := x.texts(1); !slices.Equal(got, want[:mailboxLen]) {
		t.Errorf("%d packets delivered", len(got))
	}
	if n := x.b.router.Lanes()[3].Misdirected; n != mailboxLen+3 {
		t.Errorf("%d counted as misdirected", n)
	}
}

func TestMisdirectedFramesAreOfTheWrongLaneWhereNobodyWouldTakeThem(t *testing.T) {
	x := newCouple(t, byHand{lanes: 4}, tun.Joins{}) // connections that cannot be polled: a lane waits in Receive
	x.misdirect(2)
	if d := x.b.drops(); len(d) != 1 || d[WrongLane] != 2 {
		t.Errorf("dropped %v, want 2 of the wrong lane", d)
	}
}

func TestControlFramesAreNotMisdirectedWhereverTheyCome(t *testing.T) {
	x := newLanes(t)
	frame, err := x.a.known(x.b).session.Current().SealControl(nil, encap.Probe, encap.ProbeBody{ID: 1}.Append(nil))
	check(t, err)
	x.b.lane(2).inbound([]encap.Datagram{{From: x.b.from(x.a), Data: frame}})
	if n := len(x.b.router.control); n != 1 || x.b.router.Lanes()[2].Misdirected != 0 {
		t.Errorf("control has %d messages, %+v", n, x.b.router.Lanes()[2])
	}
}
