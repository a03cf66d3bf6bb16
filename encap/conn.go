package encap

// Train is what one send is made of: frames to one endpoint, back to back, each of Size bytes but the last, which may be
// shorter. A single frame is a train of one; its Size may be 0.
type Train struct {
	To   Endpoint
	Bufs [][]byte // gathered: a frame may lie in several, a buffer may hold several; borrowed during Send
	Size int
	ECN  uint8 // 0 to 3
	DSCP uint8 // 0 to 63
}

// Datagram is what one receive is made of. With Size > 0 it holds frames of Size bytes back to back, the last perhaps
// shorter; else one frame.
type Datagram struct {
	From Endpoint
	Data []byte // borrowed until the next Receive
	Size int
	ECN  uint8
}

// SendResult counts what became of the frames of one Send.
type SendResult struct {
	Sent        int
	TooBig      int   // the route refused the size
	Unreachable int   // no route, no neighbour, or forbidden
	Failed      int   // anything else
	Err         error // of the first frame that was not sent
}

// Conn is a port that frames are sent from and received at.
type Conn interface {
	// Receive blocks until frames are there and returns at least one datagram. One goroutine reads.
	// After Close the error is os.ErrClosed.
	Receive() ([]Datagram, error)
	// Send sends all trains, from any goroutine; one train that cannot be sent does not hold back the others.
	Send(trains []Train) SendResult
	// Port is the local port.
	Port() uint16
	// Features says what the kernel offers to this port.
	Features() []Feature
	// Buffers is what the kernel granted for receiving and sending, in bytes.
	Buffers() (receive, send int)
	// Overflow is how many datagrams were dropped because the receive buffer was full. It is known as of the last
	// datagram received, and may be asked for from any goroutine.
	Overflow() uint64
	// Close wakes Receive.
	Close() error
}
