package packet

// Next header values of the IPv6 extension headers that are skipped (RFC 8200; AH: RFC 4302). ESP is not among them:
// nothing behind it can be read.
const (
	extHopByHop    = 0
	extRouting     = 43
	extFragment    = 44
	extAuth        = 51
	extDestination = 60
)

// maxExtensions bounds the chain. RFC 8200 section 4.1 knows eight different places for extension headers.
const maxExtensions = 8

// skipExtensions walks the chain from L4 on, sets proto and l4 to what stands behind it, and notes fragments and headers
// that pin the payload.
func (l *layout) skipExtensions(b []byte) error {
	for range maxExtensions {
		if !isExtension(l.proto) {
			return nil
		}
		size, err := extensionLen(l.proto, b[l.l4:])
		if err != nil {
			return err
		}
		later := l.note(b[l.l4:])
		l.proto, l.l4 = b[l.l4], l.l4+size
		if later {
			return nil // what follows is the middle of a packet
		}
	}
	if isExtension(l.proto) {
		return ErrExtensions
	}
	return nil
}

func isExtension(proto uint8) bool {
	switch proto {
	case extHopByHop, extRouting, extFragment, extAuth, extDestination:
		return true
	}
	return false
}

// extensionLen returns the length of the extension header at the start of b, which is at least 8 and at most len(b).
// The arithmetic is on int: with uint8 a length of 255 would wrap to 0 and the walk would never end.
func extensionLen(proto uint8, b []byte) (int, error) {
	const minLen = 8
	if len(b) < minLen {
		return 0, ErrExtensions
	}
	size := minLen
	switch proto {
	case extFragment:
	case extAuth:
		size = (int(b[1]) + 2) * 4
	default:
		size = (int(b[1]) + 1) * 8
	}
	if size < minLen || size > len(b) {
		return 0, ErrExtensions
	}
	return size, nil
}

// note records what the extension header at the start of b means, and reports whether it is a fragment header with an
// offset, behind which no transport header can stand.
func (l *layout) note(b []byte) (later bool) {
	switch l.proto {
	case extFragment:
		l.fragment = true
		return get16(b[2:])&^7 != 0
	case extAuth:
		l.pinned = true // its integrity value covers the payload
	case extRouting:
		l.pinned = l.pinned || b[3] != 0 // segments left: the checksum is over the last address, not over Dst
	}
	return false
}
