package tun

// Superpacket is one packet, or one packet with the size of the segments that it stands for.
type Superpacket struct {
	// Data begins with the IP header.
	Data []byte
	// Tail is payload that continues Data. Only Write looks at it; Read never sets it.
	Tail [][]byte
	// SegmentSize is the number of payload bytes of one segment. 0: this is one plain packet.
	SegmentSize int
	// ChecksumStart and ChecksumOffset say that the checksum is partial: its field lies at start+offset and is to cover
	// everything from start to the end. Both 0: the checksum is complete.
	ChecksumStart, ChecksumOffset int
}

// Len is the length of the whole packet.
func (p *Superpacket) Len() int {
	n := len(p.Data)
	for _, t := range p.Tail {
		n += len(t)
	}
	return n
}

// simple reports whether the packet can be handed on byte by byte.
func (p *Superpacket) simple() bool { return p.SegmentSize == 0 && !p.partial() }

func (p *Superpacket) partial() bool { return p.ChecksumStart != 0 || p.ChecksumOffset != 0 }

// Device moves superpackets between a network interface and the router.
type Device interface {
	// Name is the interface's name.
	Name() string
	// Driver says how packets are moved.
	Driver() Driver
	// Read waits for packets and returns at least one. It returns os.ErrClosed after Close, and ErrGone when somebody
	// deleted the interface; other errors are the kernel's. What it could not make sense of is left out and counted in
	// Unreadable.
	Read() ([]Superpacket, error)
	// Write hands the batch to the kernel and goes on after a packet that is refused. It returns how many superpackets
	// went entirely, and the first error. After Close: os.ErrClosed; without interface: ErrGone; at once.
	Write(batch []Superpacket) (written int, err error)
	// Unreadable is the number of packets that Read has left out. Any goroutine may ask.
	Unreadable() uint64
	// Offloads says, for people, what is left to the kernel, and why not.
	Offloads() []Offload
	// Close wakes Read. The interface stays.
	Close() error
}

// Driver names a way to move packets.
type Driver string

// DriverAuto asks for the best driver that works. DriverMemory is for tests and cannot be asked for.
const (
	DriverAuto   Driver = "auto"
	DriverPlain  Driver = "plain"
	DriverBatch  Driver = "batch"
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
