// Package node is a running weft node: the order in which its parts start and stop, and the control API. It is the only
// room that knows all others: it turns the mesh's view into the router's table and both into what the kernel is asked for.
//
// Words. The keeper is the goroutine that owns this translation: whatever changes (a claim, a path, a route that
// somebody deleted) wakes it, and it makes router and kernel match again. The platform is the machine as the node sees
// it: device, sockets, kernel; tests give a simulated one.
//
// Rooms. config is the configuration; setup writes it and makes tokens; handover passes the descriptors of device and port on
// to the process of the next start; service tells the service manager how the node is; rundir and statedir are the lock and the
// files by which daemons know of each other and of their last start; dialback has peers call this node.
//
// Always. The whole network is unreachable in the kernel before anything else is set up, so that nothing for the overlay
// leaks to the default route. A prefix is routed to a peer only while the peer's path is up. A stop leaves device,
// addresses, routes and firewall rules in place; only Down removes them.
package node
