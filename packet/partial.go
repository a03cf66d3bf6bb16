package packet

// PartialChecksum says where the checksum field of a packet lies whose checksum is partial: at start+offset, covering
// everything from start to the end, as CompleteChecksum takes it. It reads the headers only: a packet that came with the word
// that its checksum is partial can be completed without trust in any offset. Whether the word is true it cannot tell.
//
// b is the whole packet and nothing else. Only unfragmented TCP and UDP is taken, and what is not must travel with a complete
// checksum: fragments, other protocols, packets with an authentication header or a routing header that has segments left
// (ErrPartial). Other errors are those of Parse, and ErrShort or ErrLength for a transport header that is cut off or
// disagrees with the packet's length.
func PartialChecksum(b []byte) (start, offset int, err error) {
	l, err := parseLayout(b)
	if err != nil {
		return 0, 0, err
	}
	if err := l.findPartial(b); err != nil {
		return 0, 0, err
	}
	return l.l4, l.checksumAt - l.l4, nil
}
