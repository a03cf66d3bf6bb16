package node

import (
	"net"
	"os"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/tun"
)

// firstPaths is how long packets wait in the device, at a start, for the paths to the peers that were known before: the
// handshakes with them take one round trip.
const firstPaths = 100 * time.Millisecond

// listenUDP opens the port with so many lanes, or goes on with that of an earlier process.
func (n *Node) listenUDP(o encap.UDPOptions) (encap.Port, error) {
	return goOn(n.handover, keptPort, func(files []*os.File) (encap.Port, error) {
		o.Inherited = files
		return n.platform.ListenUDP(o)
	})
}

// listenTCP opens the listener of streams, or goes on with that of an earlier process.
func (n *Node) listenTCP(listen string) (net.Listener, error) {
	return goOn(n.handover, keptTCP, func(files []*os.File) (net.Listener, error) {
		if len(files) == 0 {
			return n.platform.ListenTCP(listen)
		}
		return encap.InheritTCP(listen, files[0])
	})
}

// takeDevice opens the device, or goes on with that of an earlier process.
func (n *Node) takeDevice() (tun.Device, *tun.Choice, error) {
	var choice *tun.Choice
	device, err := goOn(n.handover, keptDevice, func(files []*os.File) (device tun.Device, err error) {
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
	if h.store == nil {
		return
	}
	if len(h.used) > 0 {
		n.log.Info("node.handover.inherited", "what", h.used)
	}
	n.keepDevice(n.device)
	h.keepPort(n.port)
	h.keep(keptTCP, descriptorOf(listener))
	n.noteHandover()
}

// keepDevice stores the queues of a device, if others can go on with them.
func (n *Node) keepDevice(device tun.Device) {
	d, ok := device.(tun.Inheritable)
	n.handover.devices = ok
	if !ok {
		n.handover.count()
		return
	}
	n.handover.keep(keptDevice, d.Descriptors())
}

// noteHandover says where a restart will lose packets although a service manager could prevent it.
func (n *Node) noteHandover() {
	reason := ""
	err := n.handover.failure()
	if err != nil {
		reason = "a restart loses packets: " + err.Error()
	}
	if n.state.problem("handover", reason) && reason != "" {
		n.log.Warn("node.handover.failed", "error", err)
	}
}
