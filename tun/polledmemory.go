package tun

import "fmt"

// PolledMemory is a device for tests whose queues can be polled, as those of driver super. The other side is the Inject and
// Take of each MemoryQueue. It has real descriptors, so that it is not for a testing/synctest bubble: see Memory.
type PolledMemory struct {
	name   string
	joins  Joins
	queues []Queue
	each   []*MemoryQueue // the same
}

// NewPolledMemory makes a device that says of itself what joins says. The MTU bounds what Inject takes.
func NewPolledMemory(name string, mtu, queues int, joins Joins) (*PolledMemory, error) {
	m := &PolledMemory{name: name, joins: joins}
	for i := range queues {
		q, err := newMemoryQueue(fmt.Sprintf("%s queue %d", name, i), mtu)
		if err != nil {
			_ = m.Close()
			return nil, err
		}
		m.queues, m.each = append(m.queues, q), append(m.each, q)
	}
	return m, nil
}

// Queue is the i-th queue, with its other side.
func (m *PolledMemory) Queue(i int) *MemoryQueue { return m.each[i] }

// Name implements Device.
func (m *PolledMemory) Name() string { return m.name }

// Driver implements Device.
func (m *PolledMemory) Driver() Driver { return DriverMemory }

// Queues implements Device.
func (m *PolledMemory) Queues() []Queue { return m.queues }

// Joins implements Device.
func (m *PolledMemory) Joins() Joins { return m.joins }

// Unreadable implements Device.
func (m *PolledMemory) Unreadable() uint64 { return 0 }

// Offloads implements Device.
func (m *PolledMemory) Offloads() []Offload { return nil }

// Close implements Device.
func (m *PolledMemory) Close() error {
	for _, q := range m.each {
		q.close()
	}
	return nil
}
