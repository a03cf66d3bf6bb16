package node

import (
	"errors"
	"fmt"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/node/cpu"
)

// lanes says how many lanes the node has, and why.
type lanes struct {
	wanted int
	why    string // so many are wanted
	lack   string // why there are fewer than that; empty: there are not
}

// maxAutoLanes is where more lanes bring nothing any more: a lane moves several Gbit/s.
const maxAutoLanes = 8

// chooseLanes settles how many lanes are wanted. A lane is worth having beyond one CPU for it and one for those who send and
// receive through it.
func chooseLanes(c *config.Config, share cpu.Share) lanes {
	switch cpus := share.Whole(); {
	case c.Lanes > 0:
		return lanes{wanted: c.Lanes, why: "configured"}
	case c.OneQueue():
		return lanes{wanted: 1, why: fmt.Sprintf("auto: driver %s has one queue", c.Driver)}
	case cpus <= 3:
		return lanes{wanted: 1, why: fmt.Sprintf("auto: %v", share)}
	default:
		return lanes{wanted: min(cpus/2, maxAutoLanes), why: fmt.Sprintf("auto: %v", share)}
	}
}

// openPort opens the port with as many lanes as are wanted. Where the kernel cannot share a port between lanes, one will do,
// unless the number is configured.
func (n *Node) openPort() error {
	port, err := n.listen(n.lanes.wanted)
	if err != nil && n.lanes.wanted > 1 && n.config().Lanes == 0 && !errors.Is(err, encap.ErrInUse) {
		n.lanes.lack = err.Error()
		port, err = n.listen(1)
	}
	n.port = port
	return err
}

func (n *Node) listen(lanes int) (encap.Port, error) {
	return n.listenUDP(encap.UDPOptions{
		Listen: n.config().Listen, Lanes: lanes, GSO: n.config().Offload.GSO, GRO: n.config().Offload.GRO,
		Control: true,
	})
}

// fitPort opens the port again where the device came with fewer queues than the port has lanes: nobody would read what comes
// to the others.
func (n *Node) fitPort() (err error) {
	queues := len(n.device.Queues())
	if queues >= len(n.port.Lanes()) {
		return nil
	}
	n.lanes.lack = fmt.Sprintf("driver %s gave %s", n.choice.Driver, counted(queues, "queue"))
	n.port.Close()
	n.port, err = n.listen(queues)
	return err
}

// noteLanes says it where there are fewer lanes than wanted.
func (n *Node) noteLanes() {
	if n.lanes.lack == "" {
		return
	}
	n.log.Warn("node.lanes.degraded", "lanes", len(n.port.Lanes()), "wanted", n.lanes.wanted, "reason", n.lanes.lack)
	n.state.problem("lanes", fmt.Sprintf("%d of %d: %s", len(n.port.Lanes()), n.lanes.wanted, n.lanes.lack))
}

// counted is a number of things in words: "1 queue", "4 queues".
func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
