// Package impair makes the network between two hosts of a lab a bad one: a relay in user space takes every frame that one sends
// to the other and loses it, doubles it, holds it back or delays it.
//
// Words. A frame is an Ethernet frame as it is on a wire: no larger than the underlay's MTU and its header, with all checksums
// complete. A way is one direction of the relay. A fate is what is decided for one frame.
//
// How. The second host's port leaves the bridge of the switch for a bridge of its own, and a pair of veth leads from each of the
// two bridges to the relay, which reads and writes their outer ends with packet sockets:
//
//	eth0 of a - underlay - veth ~ relay ~ veth - bridge - eth0 of b
//
// The offloads of the bridges' sides are off, so that the kernel cuts superpackets and completes checksums before the relay
// sees them; the hosts' own interfaces keep theirs.
//
// Always. Only frames from one of the two hosts to the other are impaired; those of other hosts and broadcasts pass. Which
// frames are lost, doubled and held back depends on the seed and on their order in each way alone. After Close the switch is as
// it was before.
package impair
