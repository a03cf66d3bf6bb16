package podnet

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// portFlags are switches of a bridge's port, by their attribute (IFLA_BRPORT_* of linux/if_link.h).
type portFlags map[uint16]bool

// flagNames are the switches that weft sets, as CHECK calls them.
var flagNames = map[uint16]string{
	nl.IFLA_BRPORT_ISOLATED: "isolated", nl.IFLA_BRPORT_MODE: "hairpin", nl.IFLA_BRPORT_LEARNING: "learning",
	nl.IFLA_BRPORT_UNICAST_FLOOD: "flooding", nl.IFLA_BRPORT_MCAST_FLOOD: "mcast_flood", nl.IFLA_BRPORT_BCAST_FLOOD: "bcast_flood",
}

// quiet are the switches that are off at every port: it learns nothing, because the bridge is told where pods are, and no frame of another
// port goes to it that is for everybody or for a MAC that nobody knows. What the host itself sends to everybody does.
var quiet = []uint16{nl.IFLA_BRPORT_LEARNING, nl.IFLA_BRPORT_UNICAST_FLOOD, nl.IFLA_BRPORT_MCAST_FLOOD, nl.IFLA_BRPORT_BCAST_FLOOD}

// podPort are the switches of a pod's port. An isolated one gets no frame of another isolated one, nor of its own.
func podPort(isolated, hairpin bool) portFlags {
	f := portFlags{nl.IFLA_BRPORT_ISOLATED: isolated, nl.IFLA_BRPORT_MODE: hairpin}
	for _, q := range quiet {
		f[q] = false
	}
	return f
}

// differ are those of want that f has otherwise, in the order of their numbers.
func (f portFlags) differ(want portFlags) (list []uint16) {
	for attribute, on := range want {
		if f[attribute] != on {
			list = append(list, attribute)
		}
	}
	slices.Sort(list)
	return list
}

// set gives a port the switches.
func (f portFlags) set(index int) error {
	values := make(map[uint16]byte, len(f))
	for attribute, on := range f {
		values[attribute] = flag(on)
	}
	return setPort(index, values)
}

// start lets a port carry frames. Its interface has to be up and have carrier (br_set_port_state in net/bridge/br_stp_if.c).
func start(index int) error { return setPort(index, map[uint16]byte{nl.IFLA_BRPORT_STATE: forwarding}) }

// setPort gives a port attributes in one message, in the namespace of the calling thread.
func setPort(index int, values map[uint16]byte) error {
	req := nl.NewNetlinkRequest(unix.RTM_SETLINK, unix.NLM_F_ACK)
	msg := nl.NewIfInfomsg(unix.AF_BRIDGE)
	msg.Index = int32(index)
	req.AddData(msg)
	info := nl.NewRtAttr(unix.IFLA_PROTINFO|unix.NLA_F_NESTED, nil)
	for attribute, value := range values {
		info.AddRtAttr(int(attribute), []byte{value})
	}
	req.AddData(info)
	_, err := req.Execute(unix.NETLINK_ROUTE, 0)
	return err
}

func flag(on bool) byte {
	if on {
		return 1
	}
	return 0
}

// bridgedPort is a port of a bridge as the kernel has it.
type bridgedPort struct {
	index, master int
	name          string
	running       bool      // it is up and has carrier (IFF_RUNNING)
	forwards      bool      // it carries frames (IFLA_BRPORT_STATE)
	flags         portFlags // those of flagNames
}

// forwarding is BR_STATE_FORWARDING (linux/if_bridge.h).
const forwarding = 3

// bridgedPorts lists the ports of all bridges in the namespace of the calling thread.
func bridgedPorts() ([]bridgedPort, error) {
	list, err := dump(func() ([]bridgedPort, error) {
		req := nl.NewNetlinkRequest(unix.RTM_GETLINK, unix.NLM_F_DUMP)
		req.AddData(nl.NewIfInfomsg(unix.AF_BRIDGE))
		messages, err := req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWLINK)
		var ports []bridgedPort
		for _, m := range messages {
			p, parseErr := parsePort(m)
			if err = errors.Join(err, parseErr); p.master != 0 && p.master != p.index {
				ports = append(ports, p)
			}
		}
		return ports, err
	})
	return list, explain("list the ports of bridges", err)
}

// parsePort reads a message of type RTM_NEWLINK. A bridge is its own master there.
func parsePort(message []byte) (bridgedPort, error) {
	head := nl.DeserializeIfInfomsg(message)
	p := bridgedPort{index: int(head.Index), running: head.Flags&unix.IFF_RUNNING != 0, flags: portFlags{}}
	attrs, err := nl.ParseRouteAttrAsMap(message[unix.SizeofIfInfomsg:])
	if err != nil {
		return p, err
	}
	p.name = string(bytes.TrimRight(attrs[unix.IFLA_IFNAME].Value, "\x00"))
	if master := attrs[unix.IFLA_MASTER].Value; len(master) == 4 {
		p.master = int(binary.NativeEndian.Uint32(master))
	}
	info, err := nl.ParseRouteAttrAsMap(attrs[unix.IFLA_PROTINFO|unix.NLA_F_NESTED].Value)
	p.forwards = bytes.Equal(info[nl.IFLA_BRPORT_STATE].Value, []byte{forwarding})
	for attribute := range flagNames {
		p.flags[attribute] = bytes.Equal(info[attribute].Value, []byte{flag(true)})
	}
	return p, err
}

// hostPorts are the host ends among the ports of a bridge, in the namespace of the calling thread. Where there is no bridge, there are none.
func hostPorts(bridge string) ([]bridgedPort, error) {
	h, err := Open()
	if err != nil {
		return nil, err
	}
	defer h.Close()
	master, err := link(h.nl, bridge)
	if master == nil || err != nil {
		return nil, err
	}
	all, err := bridgedPorts()
	return slices.DeleteFunc(all, func(p bridgedPort) bool {
		return p.master != master.Attrs().Index || !strings.HasPrefix(p.name, hostEndPrefix)
	}), err
}
