package firewall

import (
	"errors"
	"fmt"
	"net"
	"slices"

	"github.com/vishvananda/netlink"
)

// uplinkKinds are the kinds of interfaces that lead out of a host by themselves. Others do so if there is a gateway behind
// them, and a bridge also if one of these is its port; else they lead to guests of this host, whose router advertisements it
// must not take.
var uplinkKinds = []string{"device", "bond", "team", "vlan", "macvlan", "ipvlan", "ppp", "wwan"}

// uplink is an interface behind which a router may be.
type uplink struct {
	index int // which a new interface with an old name does not share
	name  string
}

// uplinks lists the interfaces behind which a router may be. device is never one. After an error the list is empty: a part
// of it may lack the one that counts.
func uplinks(device string) ([]uplink, error) {
	links, err := complete(netlink.LinkList)
	if err != nil {
		return nil, fmt.Errorf("firewall: list interfaces: %w", err)
	}
	routes, err := complete(func() ([]netlink.Route, error) { return netlink.RouteList(nil, netlink.FAMILY_ALL) })
	if err != nil {
		return nil, fmt.Errorf("firewall: list routes: %w", err)
	}
	var list []uplink
	for _, l := range links {
		a := l.Attrs()
		if a.Name == device || a.Flags&net.FlagLoopback != 0 || a.MasterIndex != 0 {
			continue
		}
		gateway := slices.ContainsFunc(routes, func(r netlink.Route) bool { return r.LinkIndex == a.Index && r.Gw != nil })
		if gateway || leadsOut(l) || bridgesOut(l, links) {
			list = append(list, uplink{a.Index, a.Name})
		}
	}
	return list, nil
}

func leadsOut(l netlink.Link) bool { return slices.Contains(uplinkKinds, l.Type()) }

// bridgesOut reports whether a bridge has a port that leads out of the host. Before it has an address there is no gateway
// behind it to be seen.
func bridgesOut(l netlink.Link, links []netlink.Link) bool {
	return l.Type() == "bridge" && slices.ContainsFunc(links, func(port netlink.Link) bool {
		return port.Attrs().MasterIndex == l.Attrs().Index && leadsOut(port)
	})
}

// dumps is how often a list is asked for that others change meanwhile (NLM_F_DUMP_INTR).
const dumps = 5

// complete asks for a list until the kernel gives the whole of it.
func complete[T any](list func() ([]T, error)) (whole []T, err error) {
	for range dumps {
		if whole, err = list(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	return whole, err
}
