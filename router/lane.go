package router

import (
	"errors"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/packet"
	"github.com/weftnet/weft/tun"
)

// lane is one device queue, one connection of the port, and the loops between them.
//
// Where both can be polled, one loop serves both: it drains each without waiting, flushes, looks a few times more, and waits
// for either. Where the device cannot (drivers plain and batch), a loop of its own reads it. Both halves, sender and
// receiver, are used by one loop at a time.
type lane struct {
	r    *Router
	id   uint8
	conn encap.Conn
	out  counters
	in   counters

	relayed struct{ frames, bytes atomic.Uint64 } // sent on for others

	sending  sync.Mutex    // held by the loop that serves the device: the one that uses sender
	attached chan struct{} // signals that the device was replaced
	poller   *poller       // nil: conn cannot be polled

	portBeat, deviceBeat beat // of the loops

	spin     spin
	moved    bool // packets came since the last wait, or it has not waited yet
	turns    turnCounters
	mail     mailbox // frames of this lane that other lanes received
	sender   sender
	receiver receiver
}

func newLane(r *Router, id int, conn encap.Conn) *lane {
	l := &lane{
		r: r, id: uint8(id), conn: conn, attached: make(chan struct{}, 1), spin: newSpin(r.cfg.Spin), moved: true,
		mail: newMailbox(),
	}
	l.portBeat.pulses, l.deviceBeat.pulses = &r.pulses, &r.pulses
	l.sender.init(l, slabLen)
	l.receiver.init(l)
	return l
}

// prepare makes what only a running lane needs.
func (l *lane) prepare() (err error) {
	if _, ok := l.conn.(encap.PolledConn); ok {
		l.poller, err = newPoller()
	}
	return err
}

// finish gives back what prepare made.
func (l *lane) finish() {
	if l.poller != nil {
		l.poller.close()
	}
}

// wake makes both loops look at the router's state.
func (l *lane) wake() {
	select {
	case l.attached <- struct{}{}:
	default:
	}
	if l.poller != nil {
		l.poller.wake()
	}
}

// polls is the queue of dev, if the port's loop serves it.
func (l *lane) polls(dev *attachment) tun.PolledQueue {
	if l.poller == nil || dev.lost.Load() {
		return nil
	}
	q, _ := dev.queues[l.id].(tun.PolledQueue)
	return q
}

// runDevice moves packets from devices that cannot be polled until the router stops.
func (l *lane) runDevice() {
	if !l.awaitRelease() {
		return
	}
	for {
		dev := l.r.dev.Load()
		if l.polls(dev) == nil && !dev.lost.Load() {
			l.drainDevice(dev)
		}
		for l.r.dev.Load() == dev { // attached may still tell of an earlier change
			select {
			case <-l.attached:
			case <-l.r.done:
				return
			}
		}
	}
}

// drainDevice moves batches until dev fails or is replaced.
func (l *lane) drainDevice(dev *attachment) {
	l.sending.Lock()
	defer l.sending.Unlock()
	for {
		l.deviceBeat.rest()
		batch, err := dev.queues[l.id].Read()
		l.deviceBeat.work()
		if err != nil {
			l.deviceFailed(dev, err)
			return
		}
		l.outbound(batch)
	}
}

// deviceFailed gives dev up, unless it was closed on purpose.
func (l *lane) deviceFailed(dev *attachment, err error) {
	if l.r.dev.Load() == dev && !closed(err) {
		l.r.lose(dev, err)
	}
}

// runPort moves frames from the port until it is closed, and packets from a device that can be polled.
func (l *lane) runPort() error {
	var err error
	if conn, ok := l.conn.(encap.PolledConn); ok {
		err = l.runPolled(conn)
	} else {
		err = l.drainPort()
	}
	if closed(err) {
		return nil
	}
	return err
}

func (l *lane) drainPort() error {
	for {
		l.portBeat.rest()
		batch, err := l.conn.Receive()
		l.portBeat.work()
		if err != nil {
			return err
		}
		l.inbound(batch)
	}
}

// runPolled serves the port, and each device that can be polled, until the port is closed.
func (l *lane) runPolled(conn encap.PolledConn) error {
	ownThread()
	for {
		if err := l.serve(conn, l.r.dev.Load()); err != nil {
			return err
		}
	}
}

// serve runs with one device until that is lost, replaced, held or released (nil), or until the port fails.
func (l *lane) serve(conn encap.PolledConn, dev *attachment) error {
	held, queue := l.r.hold.on.Load(), l.polls(dev)
	if held {
		queue = nil
	}
	if queue == nil {
		l.poller.watch(conn.Descriptor())
	} else {
		l.sending.Lock()
		defer l.sending.Unlock()
		l.poller.watch(conn.Descriptor(), queue.Descriptor())
	}
	for l.r.dev.Load() == dev && l.r.hold.on.Load() == held && (queue == nil || !dev.lost.Load()) {
		l.portBeat.turn()
		received, err := l.receive(conn)
		if err != nil {
			return err
		}
		if read := l.read(dev, queue); received || read {
			l.worked()
			continue
		}
		l.pause()
	}
	return nil
}

// receive is one drain of the port, and of the mailbox. moved: packets came. Control frames alone do not count: they are
// rare, and an idle lane that looked again after each of them would use the core for nothing.
func (l *lane) receive(conn encap.PolledConn) (moved bool, err error) {
	batch, err := conn.TryReceive()
	if err != nil {
		return false, err
	}
	if len(batch) > 0 {
		moved = l.inbound(batch)
	}
	mail := l.takeMail()
	return moved || mail, nil
}

// read is one drain of the device.
func (l *lane) read(dev *attachment, queue tun.PolledQueue) (moved bool) {
	if queue == nil {
		return false
	}
	batch, err := queue.TryRead()
	if err != nil {
		l.deviceFailed(dev, err)
		return false
	}
	if len(batch) > 0 {
		l.outbound(batch)
	}
	return len(batch) > 0
}

// worked notes that packets came.
func (l *lane) worked() {
	l.moved = true
	l.spin.worked()
	l.poller.busy()
}

// pause gives up the core for a moment, or waits until there is work. What has ended the last wait without packets is no
// reason to look again.
func (l *lane) pause() {
	if l.moved && l.spin.again() {
		l.turns.spins.Add(1)
		_, _, _ = unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
		return
	}
	l.moved = false
	l.turns.waits.Add(1)
	l.poller.wait()
}

// outbound moves one drain of the device to the peers.
func (l *lane) outbound(batch []packet.Superpacket) {
	l.out.calls.Add(1)
	table, now := l.r.table.Load(), l.r.clock()
	for i := range batch {
		l.sender.route(table, &batch[i], now)
	}
	l.sender.flush()
}

// inbound moves one drain of the port to the device and to control, and reports whether there were packets for the device.
func (l *lane) inbound(batch []encap.Datagram) (packets bool) {
	l.in.calls.Add(1)
	l.receiver.begin(l.r.table.Load(), l.r.dev.Load(), l.r.clock())
	for i := range batch {
		l.receiver.datagram(&batch[i])
	}
	l.receiver.flush()
	return l.receiver.packets
}

// refusal is the drop reason of an error in opening or sealing a frame.
func refusal(err error) Reason {
	switch {
	case errors.Is(err, encap.ErrReplay):
		return Replayed
	case errors.Is(err, encap.ErrAuth):
		return AuthFailed
	case errors.Is(err, encap.ErrLane):
		return WrongLane
	case errors.Is(err, encap.ErrClear):
		return ClearRefused
	case errors.Is(err, encap.ErrExhausted):
		return KeyExhausted
	case errors.Is(err, encap.ErrFlags):
		return UnknownFlags
	case errors.Is(err, encap.ErrVersion):
		return UnknownVersion
	case errors.Is(err, encap.ErrType):
		return UnknownType
	}
	return BadFrame
}
