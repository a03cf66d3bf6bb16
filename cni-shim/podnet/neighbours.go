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

// heard is what bridge and host know of pods.
type heard struct {
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

// hear lists what is known on a bridge, in the namespace of the calling thread.
func hear(bridge string) (heard, error) {
	h, err := Open()
	if err != nil {
		return heard{}, err
	}
	defer h.Close()
	master, err := link(h.nl, bridge)
	if master == nil || err != nil {
		return heard{}, err
	}
	known := heard{master.Attrs().Index, map[entry]struct{}{}}
	for family, of := range map[int]int{unix.AF_INET: known.master, unix.AF_INET6: known.master, unix.AF_BRIDGE: 0} {
		list, err := dump(func() ([]netlink.Neigh, error) { return h.nl.NeighList(of, family) })
		if err != nil {
			return heard{}, explain("list neighbours of "+bridge, err)
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
func (k heard) keep(bridge string, ports []bridgedPort, members []Member) (kernel.Changes, error) {
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
	for _, n := range missing {
		if setErr := h.nl.NeighSet(&n); setErr != nil && !noPort(setErr) {
			err = errors.Join(err, explain(fmt.Sprintf("add neighbour entry %v (%s)", n.IP, n.HardwareAddr), setErr))
		}
	}
	return kernel.Changes{{Op: kernel.Added, Kind: KindBridge, What: fmt.Sprintf("%s: %d entries of pods", bridge, len(missing))}}, err
}

// missing are the entries that belong to a member and are not there.
func (k heard) missing(port int, m Member) []netlink.Neigh {
	wanted := append(Pod{Addrs: m.Addrs}.hostNeighbours(k.master), bridgePort(port, net.HardwareAddr(m.MAC)))
	return slices.DeleteFunc(wanted, func(n netlink.Neigh) bool {
		_, there := k.entries[entryOf(n)]
		return there
	})
}
