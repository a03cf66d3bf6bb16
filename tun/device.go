package tun

import "github.com/weftnet/weft/packet"

// Device moves superpackets between a network interface and the router, through one queue or several.
type Device interface {
	// Name is the interface's name.
	Name() string
	// Driver says how packets are moved.
	Driver() Driver
	// Queues are the device's queues, at least one, always the same. The kernel keeps a flow on one queue.
	Queues() []Queue
	// Joins says which superpackets are worth giving to Write; it takes others too, and cuts them itself.
	Joins() Joins
	// Unreadable is the number of packets that reads have left out. Any goroutine may ask.
	Unreadable() uint64
	// Offloads says, for people, what is left to the kernel, and why not.
	Offloads() []Offload
	// Close wakes all reads. The interface stays.
	Close() error
}

// Joins says which packets a device takes joined.
type Joins struct {
	TCP, UDP bool // superpackets of these
	Partial  bool // checksums that the kernel completes
}

// Queue is one queue of a Device. One reader and one writer use it at a time.
type Queue interface {
	// Read waits for packets and returns at least one. It returns os.ErrClosed after Close, and ErrGone when somebody
	// deleted the interface; other errors are the kernel's. What it could not make sense of is left out and counted in
	// Unreadable. The batch is the caller's until the next Read; he may write to Data, too.
	Read() ([]packet.Superpacket, error)
	// Write hands the batch to the kernel and goes on after a packet that is refused. It returns how many superpackets
	// went entirely, and the first error. After Close: os.ErrClosed; without interface: ErrGone; at once.
	Write(batch []packet.Superpacket) (written int, err error)
}

// PolledQueue is a Queue that can be read without waiting, and waited for together with other descriptors.
type PolledQueue interface {
	Queue
	// TryRead is Read that returns nothing, and no error, when nothing is there.
	TryRead() ([]packet.Superpacket, error)
	// Descriptor is readable when TryRead would return something. It may only be polled; after Close it may name
	// something else.
	Descriptor() int
}

// Inheritable is a Device with which another process can go on where this one ends: Options.Inherited.
type Inheritable interface {
	// Descriptors are those of the queues, in their order. They are to be passed on, not used, and valid until Close.
	Descriptors() []int
}

// Driver names a way to move packets.
type Driver string

// DriverAuto asks for the best driver that works. DriverMemory is for tests and cannot be asked for.
const (
	DriverAuto   Driver = "auto"
	DriverPlain  Driver = "plain"
	DriverBatch  Driver = "batch"
	DriverSuper  Driver = "super"
	DriverMemory Driver = "memory"
)

// Offload is one thing that the kernel could do for the device.
type Offload struct {
	Name   string
	State  OffloadState
	Reason string // why it is not on; empty when it is
}

// OffloadState is what became of an Offload.
type OffloadState string

// Off: the kernel could, the driver does not. Unavailable: the kernel cannot.
const (
	OffloadOn          OffloadState = "on"
	OffloadOff         OffloadState = "off"
	OffloadUnavailable OffloadState = "unavailable"
)
