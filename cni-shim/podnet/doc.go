// Package podnet is the kernel's side of pods: the bridge of a node, the interfaces, addresses and routes of each pod, and the guard,
// which keeps pods to their own addresses. All of it through netlink and /proc/sys; it has no files of its own.
//
// Words. A pod's interface is a veth pair: the pod end in the pod's namespace, and the host end, which is a port of the bridge. A
// gateway is an address of the bridge: the first one of a subnet. The guard is one nftables table of family bridge; its elements say
// which MAC and IP addresses a port may use.
//
// Pods have their addresses without a subnet (/32, /128) and send everything to the gateway, whose MAC they know for good; frames to
// another pod's MAC the guard drops, and where there is no guard, ports are isolated from each other. So what one pod sends to another of
// the same node is routed, or translated inside the bridge where iptables sees its packets, and passes the forward hook like everything
// else. Nothing is resolved by broadcast: the bridge knows the port, and the host the MAC, of each pod.
//
// Ownership. Host and Guard work in the network namespace of the thread that opens them and calls them. The plugin's processes and the
// daemon may all work at once.
//
// Always. What is asked for twice is done once. Attach that fails leaves nothing behind, and Detach needs no state but the names. The
// guard lets pass everything of ports that it does not know; it knows a port from before that is up until it is down.
package podnet
