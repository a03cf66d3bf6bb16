// Package packet holds pure functions on the bytes of IP packets: header views, checksums, and cutting superpackets into
// segments.
//
// Words. A superpacket is a TCP or UDP packet longer than the MTU, with the payload size of its segments. A segment is one
// packet of it. A checksum is complete when the field holds the final value, and partial when it holds only the sum of the
// pseudo header and somebody still has to add the rest (Linux: CHECKSUM_PARTIAL, virtio: NEEDS_CSUM).
//
// Ownership. Nothing here keeps bytes beyond the call, but for the Segmenter: it borrows its superpacket from Reset until
// the last Next, and does not change it. There are no goroutines and no state outside the values.
//
// Always. No function panics on, or reads past, any input; all loops are bounded by the packet and by the extension
// headers that Parse admits. Nothing allocates.
package packet
