// Package attack is what tests need to attack weft on a lab: the place of somebody on the underlay who is no member, and that of a
// member who breaks the rules.
//
// Words. A datagram is one UDP payload with its outer addresses, which may be anybody's. A Wire puts datagrams onto a host's cable
// as if they came from the underlay. A Capture takes all that hosts put onto the underlay. A Member has the keys of a node and
// speaks its protocol, by the packages encap and trust alone: no daemon keeps it from what a daemon would not do. Plaintext is text
// that is found wherever a piece of it is in clear.
//
// Delivered says how many packets have come out of a host's overlay device: the measure of every attack, for what is not in it
// reached nobody. Backlog says what waits at a host's port, so that a flood is as fast as the host takes it and no frame is lost on
// the way: else counters could not be compared with what was sent.
//
// Ownership. A Wire and a Member are used by one goroutine at a time, but Member's own, which answers probes. A Capture keeps what
// it has taken in memory.
//
// Always. Everything happens inside the lab's namespaces: packet sockets are opened in the switch, others on the lab's hosts.
package attack
