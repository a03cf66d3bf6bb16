// Package pmtu finds how long packets may be on one path of the underlay, by probes alone: no ICMP is needed. It follows RFC
// 8899 (DPLPMTUD), and adds what is possible where longer frames can be split below it.
//
// Words. A size is the length of an IP packet on the underlay in bytes, its header included. The bound is the longest size that
// the links at both ends take. The route MTU is the size that inner hosts are told of, less the overhead; it begins as the
// bound. What is safe is the size up to which frames go whole; longer ones are split while it is not known that they pass. A
// round is some probes sent at once, and the time in which they should be answered. A trial is a size that is in question.
//
// How. A new path is taken to carry the bound, and that is probed at once. While packets near the base or longer flow, the
// route MTU is probed again every second, and longer sizes every few seconds; an idle path is left alone but for a probe in ten
// minutes. One probe without an answer makes the path doubtful: from then on only the base is safe, so a router on the way that
// takes less now loses frames for little more than a second, and a probe lost by chance costs nothing but split frames for a
// moment. To lower the route MTU takes more: the size was lost several times while shorter probes were answered. Until that is
// settled inner hosts are told nothing.
//
// Ownership. An Engine is a deterministic value for one goroutine: it has no clock, sends nothing, and is told the time.
//
// Always. The route MTU is lowered only to a size that was answered after the longer one was lost, or to the bound, and raised
// only to a size that was answered. Loss of all probes says nothing of sizes.
package pmtu
