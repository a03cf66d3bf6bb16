package node

import (
	"errors"
	"io/fs"
	"net"
	"slices"

	"github.com/weftnet/weft/node/handover"
	"github.com/weftnet/weft/node/rundir"
	"github.com/weftnet/weft/node/statedir"
)

// exclusive is what one process of the host can have at a time: the locks of run directory and state directory, the port and
// the control socket.
type exclusive struct {
	tcp, control net.Listener
	undo         []func() // in the order of taking
}

// takeExclusive takes all of it, and looks at the device. A node that is refused has written nothing but, in a run directory
// that was there before, the lock.
func (n *Node) takeExclusive() (*exclusive, error) {
	e := &exclusive{}
	for _, take := range []func(*exclusive) error{n.takeRunDir, n.takeStateDir, n.takePort, n.takeControl, n.checkDevice} {
		if err := take(e); err != nil {
			e.abandon(n)
			return nil, err
		}
	}
	return e, nil
}

// release gives all of it back, the last first. The port is the router's by then.
func (e *exclusive) release() {
	for _, undo := range slices.Backward(e.undo) {
		undo()
	}
}

// abandon gives all of it back, the port too, and leaves no run directory that was not there before.
func (e *exclusive) abandon(n *Node) {
	if n.port != nil {
		n.port.Close()
	}
	if e.control != nil {
		e.control.Close()
	}
	if n.runDir != nil {
		n.runDir.Forget()
	}
	e.release()
}

func (n *Node) takeRunDir(e *exclusive) (err error) {
	if n.runDir, err = rundir.Open(n.config().RunDir); err == nil {
		e.undo = append(e.undo, n.runDir.Close)
	}
	return err
}

// takeStateDir locks the state directory if it is there; establish makes it otherwise.
func (n *Node) takeStateDir(e *exclusive) error {
	unlock, err := statedir.Lock(n.config().StateDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		n.stateLocked = true
		e.undo = append(e.undo, unlock)
	}
	return err
}

func (n *Node) takePort(e *exclusive) (err error) {
	if e.tcp, err = n.openPorts(); err == nil {
		e.undo = append(e.undo, func() { e.tcp.Close() })
	}
	return err
}

func (n *Node) takeControl(e *exclusive) (err error) {
	if e.control, err = n.runDir.Listen(n.config().Socket()); err == nil {
		e.undo = append(e.undo, func() { e.control.Close() })
	}
	return err
}

// checkDevice refuses a device that another process or program has. One that was inherited is ours.
func (n *Node) checkDevice(*exclusive) error {
	if n.platform.CheckDevice == nil || n.handover.Inherited(handover.Device) {
		return nil
	}
	return n.platform.CheckDevice(n.config().Device)
}

// establish makes state directory and key where there are none. It is the first that writes to the state directory.
func (n *Node) establish(e *exclusive) error {
	if err := n.loadIdentity(); err != nil {
		return err
	}
	if err := n.refuseRevoked(); err != nil {
		return err
	}
	if !n.stateLocked {
		if err := n.takeStateDir(e); err != nil {
			return err
		}
	}
	n.tidyLeftovers()
	n.markStateDir()
	return nil
}
