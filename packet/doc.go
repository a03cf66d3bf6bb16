// Package packet holds pure functions on the bytes of IP packets: header views, checksums, cutting superpackets into segments
// and joining segments to superpackets.
//
// Words. A superpacket is a TCP or UDP packet longer than the MTU, with the payload size of its segments. A segment is one
// packet of it. A Segmenter cuts a superpacket as the kernel would; a Coalescer does the exact inverse, and nothing else: what
// it joins is what a Segmenter could have cut. A checksum is complete when the field holds the final value, and partial when
// it holds only the sum of the pseudo header and somebody still has to add the rest (Linux: CHECKSUM_PARTIAL, virtio:
// NEEDS_CSUM).
//
// Ownership. Payloads are neither changed nor copied. Nothing here keeps bytes beyond the call, but for the Segmenter, which
// borrows its superpacket from Reset until the last Next, and the Coalescer, which borrows each packet from Add until Reset.
// There are no goroutines and no state outside the values.
//
// Always. No function panics on, or reads past, any input; all loops are bounded by the packet and by the extension
// headers that Parse admits. Nothing allocates but NewCoalescer. A packet that is wrong or odd is not joined, but passes as it
// came.
package packet
