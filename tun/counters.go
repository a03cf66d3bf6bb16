package tun

import "sync/atomic"

// Counted is a Device that counts what it moves.
type Counted interface {
	// Counters are those of all queues together, since the device was opened. Any goroutine may ask.
	Counters() Counters
	// KernelDrops is how many packets the kernel has dropped, since the interface was made, because a queue was full or not
	// open (tx_dropped). It asks the kernel by netlink; any goroutine may, in the network namespace of the interface.
	KernelDrops() (uint64, error)
}

// Counters tell how well packets keep together on their way. A plain packet is a superpacket of one segment.
type Counters struct {
	Read    ReadCounters
	Written WriteCounters
}

// ReadCounters are about packets from the kernel.
type ReadCounters struct {
	Batches      uint64 // reads of the queue that returned something
	Superpackets uint64 // as many system calls were made, and one more for most batches: to see that nothing is left
	Segments     uint64
	Bytes        uint64 // of the packets as they were read, without virtio-net headers
}

// WriteCounters are about packets to the kernel: those that went entirely, unless something else is said.
type WriteCounters struct {
	Batches      uint64 // calls of Write
	Superpackets uint64
	Segments     uint64
	Bytes        uint64
	Pieces       uint64 // parts that lay apart: Data and Tail
	Calls        uint64 // system calls
	Cut          uint64 // superpackets that were cut, because such are not to be written whole
	Refused      uint64 // superpackets that the kernel refused whole, contrary to its word, and that were cut then
	Copied       uint64 // superpackets whose payload was copied to be written
}

// sharedReads and sharedWrites are what everybody may look at; their owner adds to them once for each batch.
type (
	sharedReads struct {
		batches, superpackets, segments, bytes, unreadable atomic.Uint64
	}
	sharedWrites struct {
		batches, superpackets, segments, bytes, pieces, calls, cut, refused, copied atomic.Uint64
	}
)

func (s *sharedReads) add(c ReadCounters) {
	s.batches.Add(c.Batches)
	s.superpackets.Add(c.Superpackets)
	s.segments.Add(c.Segments)
	s.bytes.Add(c.Bytes)
}

func (s *sharedWrites) add(c WriteCounters) {
	s.batches.Add(c.Batches)
	s.superpackets.Add(c.Superpackets)
	s.segments.Add(c.Segments)
	s.bytes.Add(c.Bytes)
	s.pieces.Add(c.Pieces)
	s.calls.Add(c.Calls)
	addRare(&s.cut, c.Cut)
	addRare(&s.refused, c.Refused)
	addRare(&s.copied, c.Copied)
}

// addRare leaves the memory alone when there is nothing to add.
func addRare(to *atomic.Uint64, n uint64) {
	if n != 0 {
		to.Add(n)
	}
}

// addTo adds the counters of one queue to those of the device.
func (s *sharedReads) addTo(c *ReadCounters) {
	c.Batches += s.batches.Load()
	c.Superpackets += s.superpackets.Load()
	c.Segments += s.segments.Load()
	c.Bytes += s.bytes.Load()
}

func (s *sharedWrites) addTo(c *WriteCounters) {
	c.Batches += s.batches.Load()
	c.Superpackets += s.superpackets.Load()
	c.Segments += s.segments.Load()
	c.Bytes += s.bytes.Load()
	c.Pieces += s.pieces.Load()
	c.Calls += s.calls.Load()
	c.Cut += s.cut.Load()
	c.Refused += s.refused.Load()
	c.Copied += s.copied.Load()
}
