package packet

// layout is where the parts of a packet lie, as far as segmenting and checksums ask.
type layout struct {
	version  uint8
	proto    uint8
	fragment bool
	pinned   bool // an extension header covers the payload or changes the pseudo header: segments would be wrong
	l4       int
	length   int

	// Only findPayload and findPartial set these.
	payload    int // offset
	checksumAt int // offset in the packet
}

func parseLayout(b []byte) (layout, error) {
	if len(b) == 0 {
		return layout{}, ErrShort
	}
	switch b[0] >> 4 {
	case 4:
		return parse4(b)
	case 6:
		return parse6(b)
	}
	return layout{}, ErrVersion
}

func parse4(b []byte) (layout, error) {
	if len(b) < ipv4MinLen {
		return layout{}, ErrShort
	}
	headerLen, total := int(b[0]&0x0f)*4, int(get16(b[2:]))
	if headerLen < ipv4MinLen || total < headerLen || total > len(b) {
		return layout{}, ErrLength
	}
	return layout{
		version:  4,
		proto:    b[9],
		fragment: get16(b[6:])&0x3fff != 0, // more fragments, or an offset
		l4:       headerLen,
		length:   total,
	}, nil
}

// parse6 refuses jumbograms (payload length 0): no TUN device carries them.
func parse6(b []byte) (layout, error) {
	if len(b) < ipv6Len {
		return layout{}, ErrShort
	}
	total := ipv6Len + int(get16(b[4:]))
	if total > len(b) {
		return layout{}, ErrLength
	}
	l := layout{version: 6, proto: b[6], l4: ipv6Len, length: total}
	if !isExtension(l.proto) {
		return l, nil
	}
	err := l.skipExtensions(b[:total])
	return l, err
}

// findPayload looks behind the IP header of a TCP or UDP packet. What has no such header, or what could not be cut there,
// gives refusal; other errors are ErrShort and ErrLength.
func (l *layout) findPayload(b []byte, refusal error) error {
	if l.fragment || l.pinned {
		return refusal
	}
	headerLen, err := udpLen, error(nil)
	switch b = b[l.l4:l.length]; l.proto {
	case ProtoTCP:
		headerLen, err = tcpHeaderLen(b)
		l.checksumAt = l.l4 + tcpChecksumAt
	case ProtoUDP:
		l.checksumAt = l.l4 + udpChecksumAt
		if len(b) < udpLen {
			err = ErrShort
		}
	default:
		err = refusal
	}
	l.payload = l.l4 + headerLen
	return err
}

// findPartial is findPayload for a packet whose checksum may be partial, with the errors of PartialChecksum.
func (l *layout) findPartial(b []byte) error {
	if l.length != len(b) {
		return ErrLength
	}
	err := l.findPayload(b, ErrPartial)
	if err == nil && l.proto == ProtoUDP && int(get16(b[l.l4+4:])) != len(b)-l.l4 {
		return ErrLength // the sum would not end where the field says
	}
	return err
}

func tcpHeaderLen(b []byte) (int, error) {
	if len(b) < tcpMinLen {
		return 0, ErrShort
	}
	n := int(b[12]>>4) * 4
	switch {
	case n < tcpMinLen:
		return 0, ErrLength
	case n > len(b):
		return 0, ErrShort
	}
	return n, nil
}

// pseudoBase is the sum of the pseudo header of the packet at the start of b, without the length. It is below 2^17, so that
// adding a length cannot wrap.
func (l *layout) pseudoBase(b []byte) uint32 {
	var addresses []byte
	if l.version == 4 {
		addresses = b[12:20]
	} else {
		addresses = b[8:40]
	}
	return uint32(Fold(Sum(addresses, 0))) + uint32(l.proto)
}
