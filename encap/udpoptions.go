package encap

import (
	"errors"
	"fmt"
	"os"
)

// UDPOptions say how to open the port.
type UDPOptions struct {
	Listen string // ":9338" for all addresses of both families, or one address and port
	Lanes  int    // 1 to MaxLanes; default 1
	GSO    Knob   // send trains in one piece (UDP_SEGMENT, Linux 4.18)
	GRO    Knob   // receive trains in one piece (UDP_GRO, Linux 5.0)
	Buffer int    // asked of the kernel for each direction of each lane, in bytes; default 8 MiB

	// Control opens a control socket as well, where the kernel can steer frames to it. Whoever asks for it reads UDPPort.Control.
	Control bool

	// Inherited are the sockets that an earlier process left open at this port, all of them, in the order of
	// UDPPort.Descriptors. ListenUDP takes them over, also when it fails. What waits in them is received.
	Inherited []*os.File
}

// DefaultBuffer is 80 ms of 800 Mbit/s.
const DefaultBuffer = 8 << 20

// withDefaults fills in what is zero, and refuses what cannot be.
func (o UDPOptions) withDefaults() (UDPOptions, error) {
	if o.Buffer == 0 {
		o.Buffer = DefaultBuffer
	}
	if o.Lanes == 0 {
		o.Lanes = 1
	}
	err := errors.Join(o.GSO.check("gso"), o.GRO.check("gro"))
	switch {
	case o.Lanes < 0 || o.Lanes > MaxLanes:
		err = fmt.Errorf("encap: %d lanes: there may be 1 to %d", o.Lanes, MaxLanes)
	case o.Buffer < 0:
		err = fmt.Errorf("encap: a buffer of %d bytes cannot be", o.Buffer)
	}
	return o, err
}
