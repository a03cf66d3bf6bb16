package router

import (
	"errors"
	"fmt"
	"testing"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/packet"
	"github.com/weftnet/weft/tun"
)

// script is a connection and a device queue: each turn of a lane goes as the next letter says. r: a datagram comes
// that is not for the device; d: the device has a packet; b: both; -: nothing. Behind the last one the port fails.
type script struct {
	encap.PolledConn
	tun.PolledQueue
	turns string
	next  byte
	lane  *lane
}

var errOver = errors.New("over")

func (s *script) Send([]encap.Train) encap.SendResult { return encap.SendResult{} }
func (s *script) Descriptor() int                     { return -1 }

// TryReceive implements encap.PolledConn.
func (s *script) TryReceive() ([]encap.Datagram, error) {
	if s.turns == "" {
		return nil, errOver
	}
	s.next, s.turns = s.turns[0], s.turns[1:]
	s.lane.poller.wake() // no wait takes long
	if s.next == 'r' || s.next == 'b' {
		return []encap.Datagram{{Data: []byte{0}}}, nil
	}
	return nil, nil
}

// TryRead implements tun.PolledQueue.
func (s *script) TryRead() ([]packet.Superpacket, error) {
	if s.next == 'd' || s.next == 'b' {
		return []packet.Superpacket{{Data: []byte{0}}}, nil
	}
	return nil, nil
}

// scriptDevice is a device of that queue.
type scriptDevice struct {
	countingDevice
	queue tun.Queue
}

// Queues implements tun.Device.
func (d *scriptDevice) Queues() []tun.Queue { return []tun.Queue{d.queue} }

// act runs a lane by a script.
func act(t *testing.T, spin int, turns string) LaneStats {
	t.Helper()
	s := &script{turns: turns}
	a := newSide(t, 1)
	a.router = New(Config{
		Local: a.local, Device: &scriptDevice{queue: s}, Port: &handPort{[]encap.Conn{s}}, Stamp: encap.Stamps(1), Log: testLogger(t), Spin: spin,
	})
	s.lane = a.lane(0)
	s.lane.poller = newTestPoller(t)
	if err := s.lane.serve(s, a.router.dev.Load()); !errors.Is(err, errOver) {
		t.Errorf("serve = %v", err)
	}
	return a.router.Lanes()[0]
}

func TestALaneDrainsBothSidesBeforeItPausesAndLooksAsOftenAsThatHelps(t *testing.T) {
	for _, c := range []struct {
		spin                          int
		turns                         string
		receives, reads, spins, waits uint64
	}{
		{0, "", 0, 0, 0, 0},
		{0, "ddb", 1, 3, 0, 0},
		{0, "---", 0, 0, 0, 3},
		{0, "d-d-b-", 1, 3, 0, 3},
		{50, "----", 0, 0, 4, 0},
		{50, "-----", 0, 0, 4, 1},
		{50, "d-----", 0, 1, 4, 1},
		{50, "-d--------", 0, 1, 9, 0}, // one look, then up to eight
		{50, "-d---------", 0, 1, 9, 1},
		{50, "-b---------", 1, 1, 9, 1},
		{50, "-d-d-----------------", 0, 2, 18, 1}, // then sixteen
		{50, "-d--------------", 0, 1, 9, 6},       // a wait that ended without packets is followed by the next
		{50, "-d---------d-----", 0, 2, 13, 2},     // eight in vain: four again
		{3, "-d----", 0, 1, 4, 1},
		{50, "-r---", 1, 0, 4, 1}, // a frame that is not for the device is no reason to look longer
		{50, "r-----", 1, 0, 4, 2},
		{0, "r-", 1, 0, 0, 2},
	} {
		t.Run(fmt.Sprintf("%d %s", c.spin, c.turns), func(t *testing.T) {
			got := act(t, c.spin, c.turns)
			if got.Receives != c.receives || got.Reads != c.reads || got.Spins != c.spins || got.Waits != c.waits {
				t.Errorf("%d receives, %d reads, %d looks, %d waits; want %+v", got.Receives, got.Reads, got.Spins, got.Waits, c)
			}
		})
	}
}
