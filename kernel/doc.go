// Package kernel is what weft asks of the host's network stack, all of it through netlink: the addresses of weft's device,
// the routes of the overlay, news of changes that others make, and the underlay address that packets to a peer leave from.
//
// Words. The device is weft's TUN device, made by package tun. A peer route leads a prefix of a peer to the device, with the
// MTU of that peer's path. An unreachable route makes the kernel answer no-route by itself. Foreign is what weft did not
// make: every address that is not on the device, every route whose protocol number is not Protocol or that leads to another
// device.
//
// Metrics. Three layers lie above each other, the lowest metric wins: what the host itself has for a prefix (a bridge with
// our own subnet, metric 0 or so), a peer route (1000), unreachable for our own subnet (2 000 000: an address that no pod
// has must not circle through the device), unreachable for the whole network (2 000 000 000: nothing of the overlay leaves
// by the default route while weft is away). The last is installed before anything else and removed after everything else.
//
// Ownership. Set and Remove belong to one goroutine at a time; all other methods may be called from anywhere. A Host works
// in the network namespace of the thread that called New; Watch and Facts in that of the thread that calls them.
//
// LANs. Peer routes may lie outside the network: to a LAN behind a peer. The host's own way to the same prefix comes before
// such a route whatever its metric. A LAN behind this host may lie inside the network.
//
// Always. Set is idempotent and adopts what an earlier run left. Only the device's own addresses (not link-local ones) and
// routes that carry Protocol are ever changed or removed. Only the main table is read or written.
package kernel
