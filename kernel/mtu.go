package kernel

// OverlayMTU is the longest packet in bytes that may enter the overlay, IP header included: an MTU of the device or of a
// peer route. 0: not known, let the kernel take the device's.
type OverlayMTU int

// UnderlayMTU is the longest packet in bytes that the host's own network carries, weft's framing included.
type UnderlayMTU int

// Overlay is what remains for the overlay when every packet is wrapped in overhead bytes.
func (u UnderlayMTU) Overlay(overhead int) OverlayMTU { return OverlayMTU(int(u) - overhead) }
