package router

import (
	"fmt"
	"sync/atomic"

	"github.com/weftnet/weft/tun"
)

// attachment is a device while it is the router's.
type attachment struct {
	tun.Device
	queues []tun.Queue
	joins  tun.Joins
	lost   atomic.Bool // it failed, and is closed
}

func newAttachment(dev tun.Device) *attachment {
	return &attachment{Device: dev, queues: dev.Queues(), joins: dev.Joins()}
}

// Attach gives the router a new device in place of a lost one. The old one is closed. It must have as many queues as the
// router has lanes. After the router has stopped it returns ErrStopped. With an error, dev stays the caller's.
func (r *Router) Attach(dev tun.Device) error {
	r.attaching.Lock()
	defer r.attaching.Unlock()
	select {
	case <-r.done:
		return ErrStopped
	default:
	}
	next := newAttachment(dev)
	if len(next.queues) < len(r.lanes) {
		return fmt.Errorf("router: device %s has %d queues for %d lanes: restart weft to change that", dev.Name(), len(next.queues), len(r.lanes))
	}
	old := r.dev.Swap(next)
	old.Close()
	r.past += old.Unreadable()
	r.wake()
	return nil
}

// wake makes all lanes look at the router's state.
func (r *Router) wake() {
	for _, l := range r.lanes {
		l.wake()
	}
	if r.controlPort != nil {
		r.controlPort.wake()
	}
}

// DeviceLost reports whether the device failed and no other has taken its place: Attach one.
func (r *Router) DeviceLost() bool { return r.dev.Load().lost.Load() }

// lose gives up a device that failed. It is closed, so that it can be opened again, and the lanes are woken: one that still
// polled its descriptor would keep the kernel's queue open.
func (r *Router) lose(dev *attachment, err error) {
	if dev.lost.Swap(true) {
		return
	}
	dev.Close()
	r.wake()
	r.log.Error("router.device.lost", "device", dev.Name(), "error", err)
	r.emit(Event{Kind: DeviceLost, Reason: err.Error()})
}

// unreadable is the number of packets that the drivers left out so far.
func (r *Router) unreadable() uint64 {
	r.attaching.Lock()
	defer r.attaching.Unlock()
	return r.past + r.dev.Load().Unreadable()
}

// leaveDevice closes the device for good.
func (r *Router) leaveDevice() {
	r.attaching.Lock()
	defer r.attaching.Unlock()
	r.dev.Load().Close()
}
