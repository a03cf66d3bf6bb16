package podnet

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// kernelPatience is for how long the kernel may take to finish what it does behind the back of who asks for it: that waits for work queues,
// and for the lock of all interfaces, which many who add pods at once want too.
const kernelPatience = 30 * time.Second

// maxPause is the longest pause between two questions; the first is a millisecond.
const maxPause = 8 * time.Millisecond

// await waits until ready says so. It asks again and again: to be told by netlink would take a subscription in both namespaces, for what is
// mostly so at once.
func await(what string, ready func() bool) error {
	deadline := time.Now().Add(kernelPatience)
	for pause := time.Millisecond; !ready(); pause = min(2*pause, maxPause) {
		if time.Now().After(deadline) {
			return fmt.Errorf("podnet: %s: it is not so after %v", what, kernelPatience)
		}
		time.Sleep(pause)
	}
	return nil
}

// carries reports whether an interface is up and has carrier. The kernel brings that up to date when it is asked for it
// (linkwatch_sync_dev in rtnl_getlink, Linux 6.8).
func carries(nl *netlink.Handle, index int) bool {
	l, err := nl.LinkByIndex(index)
	return err == nil && l.Attrs().OperState == netlink.OperUp
}

// usable reports whether packets to an IPv6 address of this namespace are taken. The kernel lists a new address at once, also without
// duplicate detection, and adds its local route from a work queue (addrconf_dad_work in net/ipv6/addrconf.c); packets that come in between
// are not for it. IPv4 has no such gap.
func usable(nl *netlink.Handle, a netip.Addr) bool {
	if a.Is4() {
		return true
	}
	routes, err := nl.RouteGet(a.AsSlice())
	return err == nil && len(routes) > 0 && routes[0].Type == unix.RTN_LOCAL
}
