package podnet

import (
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// setPort makes a port isolated: frames of one such port never reach another. It learns nothing, because the bridge is told where pods
// are, and gets no frame for a MAC that nobody knows. One message sets all of it, in the namespace of the calling thread.
func setPort(index int, hairpin bool) error {
	req := nl.NewNetlinkRequest(unix.RTM_SETLINK, unix.NLM_F_ACK)
	msg := nl.NewIfInfomsg(unix.AF_BRIDGE)
	msg.Index = int32(index)
	req.AddData(msg)
	info := nl.NewRtAttr(unix.IFLA_PROTINFO|unix.NLA_F_NESTED, nil)
	for _, f := range []struct {
		attribute int
		on        bool
	}{
		{nl.IFLA_BRPORT_ISOLATED, true},
		{nl.IFLA_BRPORT_LEARNING, false},
		{nl.IFLA_BRPORT_UNICAST_FLOOD, false},
		{nl.IFLA_BRPORT_MODE, hairpin},
	} {
		info.AddRtAttr(f.attribute, flag(f.on))
	}
	req.AddData(info)
	_, err := req.Execute(unix.NETLINK_ROUTE, 0)
	return err
}

func flag(on bool) []byte {
	if on {
		return []byte{1}
	}
	return []byte{0}
}

// podAddress is the request form of a pod's address: no subnet with it, no route, and no duplicate detection, so that it can be used at
// once; the address book sees to it that nobody else has it.
func podAddress(a netip.Addr) *netlink.Addr {
	flags := 0
	if a.Is6() {
		flags = unix.IFA_F_NOPREFIXROUTE | unix.IFA_F_NODAD
	}
	return &netlink.Addr{IPNet: ipNet(single(a)), Flags: flags}
}
