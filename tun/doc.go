// Package tun opens TUN devices and moves packets between them and the router. Nothing else in weft opens /dev/net/tun.
//
// Words. A superpacket is what a device carries in one piece: a TCP or UDP packet of up to 64 KiB with the payload size of
// its segments, or a single packet (segment size 0). A batch is the superpackets of one read or one write. A driver is a way
// to move them: plain, batch, super, or memory for tests. A queue is one of the ways in and out of a device: packets of a flow
// keep their order only within one. Ours is an interface that weft made; it is known by its alias "weft".
//
// Ownership. A Queue is used by one reader and one writer at a time; the queues of a Device are used independently of each
// other. Close may be called by anybody. What Read and TryRead return is borrowed: it is valid until the next of them on the
// same Queue, and while the Device itself is in use. What Write is given is borrowed for the call, and not changed.
//
// Always. A device is persistent: closing it leaves the interface, its addresses and its routes in place, and the next Open
// adopts it with all offloads set anew. An interface that is not ours is never touched. Write never waits for anybody.
package tun
