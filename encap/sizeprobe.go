package encap

import "encoding/binary"

// SizeProbeBody is the body of a probe of a path's MTU, which zeros follow, and of its answer. Unlike other bodies it is no
// CBOR, for its length is what it is about.
type SizeProbeBody struct {
	ID uint64 // of the sender's; the answer repeats it
}

const (
	sizeProbeLen = 8

	// ControlOverhead is what a control frame has beside its body, in bytes.
	ControlOverhead = sealedHead + 1 + TagLen

	// MaxSizeProbe is the longest frame of a probe: an IP packet of 65535 bytes without the headers of IPv6.
	MaxSizeProbe = 65535 - 40 - 8
)

// AppendPadded adds the body to dst, with zeros behind it, so that the control frame around it has size bytes; a size that is
// too short for it gets none.
func (b SizeProbeBody) AppendPadded(dst []byte, size int) []byte {
	dst = binary.BigEndian.AppendUint64(dst, b.ID)
	return append(dst, make([]byte, max(0, size-ControlOverhead-sizeProbeLen))...)
}

// Append adds the body to dst.
func (b SizeProbeBody) Append(dst []byte) []byte { return b.AppendPadded(dst, 0) }

// ParseSizeProbe reads the body of a probe, whatever follows it, or of an answer. The error is ErrPayload.
func ParseSizeProbe(body []byte) (SizeProbeBody, error) {
	if len(body) < sizeProbeLen {
		return SizeProbeBody{}, ErrPayload
	}
	return SizeProbeBody{ID: binary.BigEndian.Uint64(body)}, nil
}
