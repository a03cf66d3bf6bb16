package podnet

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// bridgeSwitch is an attribute of a bridge (IFLA_BR_* of linux/if_link.h) that is 0 on one of weft's.
type bridgeSwitch struct {
	attribute uint16
	size      int    // of its number, in bytes
	name      string // as ip(8) calls it
}

// bridgeSwitches are those that weft keeps off. With the spanning tree protocol a new port would carry nothing for twice the forward delay
// (IEEE 802.1D), and there is no other bridge that a loop could lead over.
var bridgeSwitches = []bridgeSwitch{
	{nl.IFLA_BR_MCAST_SNOOPING, 1, "mcast_snooping"},
	{nl.IFLA_BR_STP_STATE, 4, "stp_state"},
	{nl.IFLA_BR_VLAN_FILTERING, 1, "vlan_filtering"},
}

func (s bridgeSwitch) String() string { return s.name + " 0" }

// switchedOn are those of bridgeSwitches that the bridge with this index, in the namespace of the calling thread, has on. Those that the
// kernel does not know are off.
func switchedOn(bridge int) ([]bridgeSwitch, error) {
	req := nl.NewNetlinkRequest(unix.RTM_GETLINK, 0)
	req.AddData(linkMessage(bridge))
	messages, err := req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWLINK)
	if err != nil {
		return nil, err
	}
	if len(messages) != 1 {
		return nil, fmt.Errorf("the kernel answers %d times", len(messages))
	}
	attributes := messages[0][unix.SizeofIfInfomsg:]
	for _, nested := range []uint16{unix.IFLA_LINKINFO, nl.IFLA_INFO_DATA} {
		inside, err := nl.ParseRouteAttrAsMap(attributes)
		if err != nil {
			return nil, err
		}
		attributes = inside[nested].Value
	}
	now, err := nl.ParseRouteAttrAsMap(attributes)
	return slices.DeleteFunc(slices.Clone(bridgeSwitches), func(s bridgeSwitch) bool {
		return bytes.Count(now[s.attribute].Value, []byte{0}) == len(now[s.attribute].Value)
	}), err
}

// off sets the switch of a bridge, and nothing else of it, in the namespace of the calling thread.
func (s bridgeSwitch) off(bridge int) error {
	req := nl.NewNetlinkRequest(unix.RTM_NEWLINK, unix.NLM_F_ACK)
	req.AddData(linkMessage(bridge))
	info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
	info.AddRtAttr(nl.IFLA_INFO_KIND, nl.NonZeroTerminated("bridge"))
	info.AddRtAttr(nl.IFLA_INFO_DATA, nil).AddRtAttr(int(s.attribute), make([]byte, s.size))
	req.AddData(info)
	_, err := req.Execute(unix.NETLINK_ROUTE, 0)
	return err
}

func linkMessage(index int) *nl.IfInfomsg {
	m := nl.NewIfInfomsg(unix.AF_UNSPEC)
	m.Index = int32(index)
	return m
}
