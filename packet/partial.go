package packet

import "encoding/binary"

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
	switch {
	case err != nil:
		return 0, 0, err
	case l.Length != len(b):
		return 0, 0, ErrLength
	case l.Fragment, l.pinned:
		return 0, 0, ErrPartial
	}
	switch l.Proto {
	case ProtoTCP:
		offset, err = tcpChecksumAt, checkTCP(b[l.L4:])
	case ProtoUDP:
		offset, err = udpChecksumAt, checkUDP(b[l.L4:])
	default:
		err = ErrPartial
	}
	if err != nil {
		return 0, 0, err
	}
	return l.L4, offset, nil
}

// checkTCP reports whether a whole TCP header lies in b.
func checkTCP(b []byte) error {
	if len(b) < tcpMinLen {
		return ErrShort
	}
	switch headerLen := int(b[12]>>4) * 4; {
	case headerLen < tcpMinLen:
		return ErrLength
	case headerLen > len(b):
		return ErrShort
	}
	return nil
}

// checkUDP reports whether b is a UDP header and the payload that it states, and nothing behind it: there the sum would
// not end where the field says.
func checkUDP(b []byte) error {
	if len(b) < udpLen {
		return ErrShort
	}
	if int(binary.BigEndian.Uint16(b[4:])) != len(b) {
		return ErrLength
	}
	return nil
}
