package router

import (
	"errors"
	"sync"
	"sync/atomic"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/packet"
	"github.com/weftnet/weft/tun"
)

// lane is one device queue, its socket and the two loops between them. Each loop owns its own half.
type lane struct {
	r   *Router
	id  uint8
	dev atomic.Pointer[attachment]
	out counters
	in  counters

	attached chan struct{} // signals that dev was replaced
	mu       sync.Mutex    // orders attach and leaveDevice, and guards past
	past     uint64        // Unreadable of the devices before dev
	sender   sender
	receiver receiver
}

// attachment is a device while it is the lane's.
type attachment struct {
	tun.Device
	queue tun.Queue
	lost  atomic.Bool // it failed, and is closed
}

func newLane(r *Router, dev tun.Device) *lane {
	l := &lane{r: r, attached: make(chan struct{}, 1)}
	l.sender.init(l)
	l.receiver.init(l)
	l.dev.Store(&attachment{Device: dev, queue: dev.Queues()[0]})
	return l
}

// attach replaces the device, unless the router has stopped: then nobody would close it.
func (l *lane) attach(dev tun.Device) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.r.done:
		return ErrStopped
	default:
	}
	old := l.dev.Swap(&attachment{Device: dev, queue: dev.Queues()[0]})
	old.Close()
	l.past += old.Unreadable()
	select {
	case l.attached <- struct{}{}:
	default:
	}
	return nil
}

// unreadable is the number of packets that the drivers left out so far.
func (l *lane) unreadable() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.past + l.dev.Load().Unreadable()
}

// leaveDevice wakes the outbound loop for the last time.
func (l *lane) leaveDevice() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dev.Load().Close()
}

// runOutbound moves packets from the device to the peers until the router stops.
func (l *lane) runOutbound() {
	for {
		dev := l.dev.Load()
		err := l.drain(dev)
		if l.dev.Load() != dev {
			continue
		}
		select {
		case <-l.r.done:
			return
		default:
		}
		if !closed(err) {
			l.lose(dev, err)
		}
		for l.dev.Load() == dev { // attached may still tell of an earlier change
			select {
			case <-l.attached:
			case <-l.r.done:
				return
			}
		}
	}
}

// lose gives up a device that failed. It is closed, so that it can be opened again.
func (l *lane) lose(dev *attachment, err error) {
	dev.Close()
	dev.lost.Store(true)
	l.r.log.Error("router.device.lost", "device", dev.Name(), "error", err)
	l.r.emit(Event{Kind: DeviceLost, Reason: err.Error()})
}

// drain moves batches until the device fails.
func (l *lane) drain(dev *attachment) error {
	for {
		batch, err := dev.queue.Read()
		if err != nil {
			return err
		}
		l.outbound(batch)
	}
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

// runInbound moves frames from the port to the device and to control until the port is closed.
func (l *lane) runInbound() error {
	for {
		batch, err := l.r.conn.Receive()
		if err != nil {
			if closed(err) {
				return nil
			}
			return err
		}
		l.inbound(batch)
	}
}

// inbound moves one drain of the port to the device.
func (l *lane) inbound(batch []encap.Datagram) {
	l.in.calls.Add(1)
	l.receiver.begin(l.r.table.Load(), l.r.clock())
	for i := range batch {
		l.receiver.datagram(&batch[i])
	}
	l.receiver.flush()
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
