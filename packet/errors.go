package packet

import "errors"

// What is wrong with a packet. Functions return these as they are, so that a caller can count by them without a look
// inside, and so that refusing a packet allocates nothing.
var (
	ErrShort      = errors.New("packet: shorter than its headers")
	ErrVersion    = errors.New("packet: neither IPv4 nor IPv6")
	ErrLength     = errors.New("packet: length field disagrees with the packet")
	ErrExtensions = errors.New("packet: too many or malformed IPv6 extension headers")
	ErrChecksum   = errors.New("packet: checksum field lies outside the packet")
	ErrPartial    = errors.New("packet: not an unfragmented TCP or UDP packet, whose checksum may be partial")
	ErrSegment    = errors.New("packet: not a TCP or UDP packet that can be segmented")
	ErrFull       = errors.New("packet: the coalescer is full")
)
