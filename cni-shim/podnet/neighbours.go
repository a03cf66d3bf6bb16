package podnet

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/kernel"
)

// The kernel forgets permanent neighbours, too, when the bridge goes down or gets another MAC (neigh_flush_dev in net/core/neighbour.c).

// knownEntries is what bridge and host know of pods.
type knownEntries struct {
	master  int                // index of the bridge; 0: there is none
	entries map[entry]struct{} // permanent ones
}

// entry is one of the host's neighbours, or of the bridge's table.
type entry struct {
	index int // of the bridge, or of the port
	ip    netip.Addr
	mac   string
}

func entryOf(n netlink.Neigh) entry {
	ip, _ := netip.AddrFromSlice(n.IP)
	return entry{n.LinkIndex, ip.Unmap(), string(n.HardwareAddr)}
}

// listKnown lists what is known on a bridge, in the namespace of the calling thread.
func listKnown(bridge string) (knownEntries, error) {
	h, err := Open()
	if err != nil {
		return knownEntries{}, err
	}
	defer h.Close()
	master, err := link(h.nl, bridge)
	if master == nil || err != nil {
		return knownEntries{}, err
	}
	known := knownEntries{master.Attrs().Index, map[entry]struct{}{}}
	for family, of := range map[int]int{unix.AF_INET: known.master, unix.AF_INET6: known.master, unix.AF_BRIDGE: 0} {
		list, err := dump(func() ([]netlink.Neigh, error) { return h.nl.NeighList(of, family) })
		if err != nil {
			return knownEntries{}, explain("list neighbours of "+bridge, err)
		}
		for _, n := range list {
			if n.State&(unix.NUD_PERMANENT|unix.NUD_NOARP) != 0 {
				known.entries[entryOf(n)] = struct{}{}
			}
		}
	}
	return known, nil
}

// keep adds what is missing of members whose host ends are among ports. Those that are not settled are left to ADD, or DEL.
func (k knownEntries) keep(bridge string, ports []bridgedPort, members []Member) (kernel.Changes, error) {
	index := map[string]int{}
	for _, p := range ports {
		index[p.name] = p.index
	}
	var missing []netlink.Neigh
	for _, m := range members {
		if port := index[m.HostEnd]; port != 0 && k.master != 0 && !m.Unsettled {
			missing = append(missing, k.missing(port, m)...)
		}
	}
	if len(missing) == 0 {
		return nil, nil
	}
	h, err := Open()
	if err != nil {
		return nil, err
	}
	defer h.Close()
	added := 0
	for _, n := range missing {
		switch setErr := h.nl.NeighSet(&n); {
		case setErr == nil:
			added++
		case !noPort(setErr):
			err = errors.Join(err, explain(fmt.Sprintf("add neighbour entry %v (%s)", n.IP, n.HardwareAddr), setErr))
		}
	}
	if added == 0 {
		return nil, err
	}
	return kernel.Changes{{Op: kernel.Added, Kind: KindBridge, What: fmt.Sprintf("%s: %d entries of pods", bridge, added)}}, err
}

// missing are the entries that belong to a member and are not there.
func (k knownEntries) missing(port int, m Member) []netlink.Neigh {
	wanted := append(Pod{Addrs: m.Addrs}.hostNeighbours(k.master), bridgePort(port, net.HardwareAddr(m.MAC)))
	return slices.DeleteFunc(wanted, func(n netlink.Neigh) bool {
		_, there := k.entries[entryOf(n)]
		return there
	})
}
