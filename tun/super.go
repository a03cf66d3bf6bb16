package tun

import (
	"fmt"

	"github.com/vishvananda/netlink"
)

// super moves superpackets whole, with as few copies and wake-ups as a TUN device allows.
type super struct {
	name   string
	able   abilities
	queues []Queue
	each   []*superQueue // the same
}

// startSuper takes q over, and opens the other queues.
func startSuper(q *queue, o Options) (Device, error) {
	return superOf(q, o, func() (*queue, error) { return attach(o.Name, o.flags(DriverSuper)) })
}

// superOf makes a device of its first queue, which it takes over, and of those that more gives.
func superOf(q *queue, o Options, more func() (*queue, error)) (Device, error) {
	able, err := q.negotiate(o.Offloads)
	if err != nil {
		q.close()
		return nil, err
	}
	d := &super{name: q.name, able: able}
	if err := d.add(q); err != nil {
		return nil, err
	}
	if n := o.queues(DriverSuper); n > 1 {
		if err := d.addQueues(n, o, more); err != nil {
			_ = d.Close()
			return nil, err
		}
	}
	return d, nil
}

// addQueues takes queues from more until there are n. An interface with several queues lets anybody open one more: it must
// be ours alone.
func (d *super) addQueues(n int, o Options, more func() (*queue, error)) error {
	for len(d.each) < n {
		q, err := more()
		if err == nil {
			err = d.add(q)
		}
		if err != nil {
			return err
		}
	}
	device, err := lookUp(o.Name)
	if err == nil && device != nil && device.Queues != n {
		err = busyError(o.Name)
	}
	return err
}

// add takes q over.
func (d *super) add(q *queue) error {
	s, err := newSuperQueue(q, d.able)
	if err == nil {
		d.queues, d.each = append(d.queues, s), append(d.each, s)
	}
	return err
}

func (d *super) Name() string    { return d.name }
func (d *super) Driver() Driver  { return DriverSuper }
func (d *super) Queues() []Queue { return d.queues }

func (d *super) Joins() Joins {
	return Joins{TCP: d.able.joinTCP == nil, UDP: d.able.joinUDP == nil, Partial: true}
}

func (d *super) Unreadable() (n uint64) {
	for _, s := range d.each {
		n += s.reader.shared.unreadable.Load()
	}
	return n
}

func (d *super) Offloads() []Offload { return d.able.list() }

// Counters implements Counted.
func (d *super) Counters() (c Counters) {
	for _, s := range d.each {
		s.reader.shared.addTo(&c.Read)
		s.writer.shared.addTo(&c.Written)
	}
	return c
}

// KernelDrops implements Counted.
func (d *super) KernelDrops() (uint64, error) {
	link, err := netlink.LinkByName(d.name)
	if err != nil {
		return 0, fmt.Errorf("tun: look up %s: %w", d.name, err)
	}
	if s := link.Attrs().Statistics; s != nil {
		return s.TxDropped, nil
	}
	return 0, fmt.Errorf("tun: the kernel states no counters of %s", d.name)
}

// Descriptors implements Inheritable.
func (d *super) Descriptors() []int {
	fds := make([]int, len(d.each))
	for i, s := range d.each {
		fds[i] = s.fd
	}
	return fds
}

func (d *super) Close() error {
	for _, s := range d.each {
		s.close()
	}
	return nil
}
