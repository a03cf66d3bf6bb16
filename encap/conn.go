package encap

// Train is what one send is made of: frames to one endpoint, back to back, each of Size bytes but the last, which may be
// shorter. A single frame is a train of one; its Size may be 0. A train may be longer than one system call takes.
type Train struct {
	To   Endpoint
	Bufs [][]byte // gathered: a frame may lie in several, a buffer may hold several; borrowed during Send
	Size int
	ECN  uint8 // 0 to 3
	DSCP uint8 // 0 to 63
	// Whole is for what finds out how long packets may be: nobody on the way fragments its frames, through a control connection
	// neither, which otherwise lets IPv4 do so.
	Whole bool

	Refused Run // written by Send: the frames that the route refused as too long
}

// Run is frames of a train that follow each other, by their numbers from 0 on.
type Run struct{ First, Count int }

// Refuse notes that the route refused some frames as too long. Between those that were refused before and these are none that
// were sent, unless the route has grown and shrunk within one Send.
func (t *Train) Refuse(first, count int) {
	if r := t.Refused; r.Count > 0 {
		end := max(r.First+r.Count, first+count)
		first = min(first, r.First)
		count = end - first
	}
	t.Refused = Run{first, count}
}

// Datagram is what one receive is made of. With Size > 0 it holds frames of Size bytes back to back, the last perhaps
// shorter; else one frame.
type Datagram struct {
	From Endpoint
	Data []byte // borrowed until the next Receive on the same Conn
	Size int
	ECN  uint8
	DSCP uint8
}

// SendResult counts what became of the frames of one Send, and what it cost.
type SendResult struct {
	Sent        int
	TooBig      int   // the route refused the size
	Unreachable int   // no route, no neighbour, or forbidden
	Failed      int   // anything else
	Err         error // of the first frame that was not sent

	Calls    int // system calls that sent something
	Messages int // datagrams and trains that the kernel took in one piece
	Resent   int // frames of trains that the kernel refused in one piece, sent one by one
}

// Port is what a node listens at and sends from: one Conn for each lane.
type Port interface {
	// Lanes are the port's connections, at least one, always the same. Frames of a sender's lane come to the connection of
	// that number modulo their count. The first one sends from Port; each other one from a source port of its own.
	Lanes() []Conn
	// Control is the connection to which all frames come but those that carry packets, and which sends from Port, over IPv4 with
	// leave to fragment (Train.Whole); nil: there is none, and they come to the lanes. Some may come to the lanes in any case, and frames with packets here: whoever reads takes
	// both.
	Control() PolledConn
	// Port is the local port.
	Port() uint16
	// Features says what the kernel offers to this port.
	Features() []Feature
	// Buffers is what the kernel granted each lane for receiving and sending, in bytes.
	Buffers() (receive, send int)
	// Overflow is how many datagrams were dropped because a receive buffer was full; a train that the kernel kept in one
	// piece counts as one. It is known as of the last datagram received, and may be asked for from any goroutine.
	Overflow() uint64
	// Renew forgets what was learned about destinations. It is for when links or routes have changed; any goroutine may
	// call it.
	Renew()
	// Close wakes all Receives, and whoever polls a connection's descriptor.
	Close() error
}

// Conn sends and receives the frames of one lane.
type Conn interface {
	// Receive blocks until frames are there and returns at least one datagram. One goroutine reads.
	// After Close of the port the error is os.ErrClosed.
	Receive() ([]Datagram, error)
	// Send sends all trains, from any goroutine; one train that cannot be sent does not hold back the others.
	Send(trains []Train) SendResult
}

// PolledConn is a Conn that can be read without waiting, and waited for together with other descriptors.
type PolledConn interface {
	Conn
	// TryReceive is Receive that returns nothing, and no error, when nothing is there.
	TryReceive() ([]Datagram, error)
	// Descriptor is readable when TryReceive would return something. It may only be polled; after Close it may name
	// something else.
	Descriptor() int
}
