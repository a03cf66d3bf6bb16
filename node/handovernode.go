package node

import (
	"net"
	"os"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/node/handover"
	"github.com/weftnet/weft/tun"
)

// firstPaths is how long packets wait in the device, at a start, for the paths to the peers that were known before: the
// handshakes with them take one round trip.
const firstPaths = 100 * time.Millisecond

// listenUDP opens the port with so many lanes, or goes on with that of an earlier process.
func (n *Node) listenUDP(o encap.UDPOptions) (encap.Port, error) {
	return handover.GoOn(n.handover, handover.Port, func(files []*os.File) (encap.Port, error) {
		o.Inherited = files
		return n.platform.ListenUDP(o)
	})
}

// listenTCP opens the listener of streams, or goes on with that of an earlier process.
func (n *Node) listenTCP(listen string) (net.Listener, error) {
	return handover.GoOn(n.handover, handover.TCP, func(files []*os.File) (net.Listener, error) {
		if len(files) == 0 {
			return n.platform.ListenTCP(listen)
		}
		return encap.InheritTCP(listen, files[0])
	})
}

// takeDevice opens the device, or goes on with that of an earlier process.
func (n *Node) takeDevice() (tun.Device, *tun.Choice, error) {
	var choice *tun.Choice
	device, err := handover.GoOn(n.handover, handover.Device, func(files []*os.File) (device tun.Device, err error) {
		o := n.deviceOptions()
		o.Inherited = files
		device, choice, err = n.platform.OpenDevice(o)
		return device, err
	})
	return device, choice, err
}

// handOver stores what the next process shall go on with, so that it is there also after a crash. It comes before anything is
// used.
func (n *Node) handOver(listener net.Listener) {
	h := n.handover
	if !h.Stores() {
		return
	}
	if used := h.Used(); len(used) > 0 {
		n.log.Info("node.handover.inherited", "what", used)
	}
	h.KeepDevice(n.device)
	h.KeepPort(n.port)
	h.Keep(handover.TCP, handover.DescriptorOf(listener))
	n.noteHandover()
}

// noteHandover says where a restart will lose packets although a service manager could prevent it.
func (n *Node) noteHandover() {
	reason := ""
	err := n.handover.Failure()
	if err != nil {
		reason = "a restart loses packets: " + err.Error()
	}
	if n.state.problem("handover", reason) && reason != "" {
		n.log.Warn("node.handover.failed", "error", err)
	}
}
