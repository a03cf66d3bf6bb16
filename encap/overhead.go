package encap

// What a data frame adds to the packet in it, on the underlay.
const (
	ClearOverhead4  = 20 + 8 + HeaderLen                       // IPv4, UDP, frame header: 36
	ClearOverhead6  = 40 + 8 + HeaderLen                       // IPv6, UDP, frame header: 56
	SealedOverhead4 = 20 + 8 + HeaderLen + CounterLen + TagLen // 60
	SealedOverhead6 = 40 + 8 + HeaderLen + CounterLen + TagLen // 80
)

// Overhead is what a data frame adds to the packet in it, on an IPv4 or IPv6 underlay.
func Overhead(sealed, is4 bool) int {
	switch {
	case sealed && is4:
		return SealedOverhead4
	case sealed:
		return SealedOverhead6
	case is4:
		return ClearOverhead4
	default:
		return ClearOverhead6
	}
}
