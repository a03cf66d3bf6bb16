package encap

import (
	"fmt"

	"github.com/weftnet/weft/trust"
)

// A spliced stream leads through a peer that joins two connections and carries the bytes between them, for two nodes that cannot
// call each other. The dialer opens a stream to the peer and says in its hello whom it means; the peer calls that node, or asks it
// by a control frame to call; what is joined then carries the same handshake as any stream, from end to end, so that the peer can
// read and change nothing.

// CapSplice is the capability of nodes that join streams of two others, answer a SpliceCall, and know that the addresses of a
// spliced stream are not those of its ends.
const CapSplice uint64 = 1 << 6

// RefusedSplice is the reason of a RefusedError of a peer that does not join a stream to the node that it was asked for. Theirs is
// why, as it says.
const RefusedSplice = "splice"

// Splice says in a dialer's hello that the stream is not one between two nodes that call each other. The zero value: it is.
type Splice struct {
	// To is whom the stream is for. Of another node than the receiver, it asks for being joined to that; of the receiver, it says
	// that a peer has joined the stream.
	To trust.Fingerprint
	// Answer is the id of the SpliceCall that made the dialer open the stream; 0: none did.
	Answer uint64
}

// splicePayload is a Splice on the wire.
type splicePayload struct {
	To     []byte `cbor:"1,keyasint,omitempty"`
	Answer uint64 `cbor:"2,keyasint,omitempty"`
}

// payload is nil where there is nothing to say.
func (s Splice) payload() *splicePayload {
	if s == (Splice{}) {
		return nil
	}
	p := &splicePayload{Answer: s.Answer}
	if !s.To.IsZero() {
		p.To = s.To[:]
	}
	return p
}

func (p *splicePayload) check() error {
	if p != nil && len(p.To) != 0 && len(p.To) != len(trust.Fingerprint{}) {
		return fmt.Errorf("%w: fingerprint of %d bytes", ErrPayload, len(p.To))
	}
	return nil
}

// splice is what a checked payload says.
func (p *splicePayload) splice() (s Splice) {
	if p == nil {
		return s
	}
	s.Answer = p.Answer
	copy(s.To[:], p.To)
	return s
}

// SpliceBody is the body of a SpliceCall.
type SpliceBody struct {
	ID uint64 `cbor:"1,keyasint"` // drawn by the sender, never 0; the stream that answers names it
}

// Append adds the body to dst.
func (b SpliceBody) Append(dst []byte) []byte {
	raw, err := encode(b)
	if err != nil { // fields that always encode
		panic(err)
	}
	return append(dst, raw...)
}

// ParseSplice reads the body of a SpliceCall.
func ParseSplice(body []byte) (SpliceBody, error) {
	var b SpliceBody
	if err := decode(body, &b); err != nil {
		return SpliceBody{}, err
	}
	if b.ID == 0 {
		return SpliceBody{}, fmt.Errorf("%w: splice without id", ErrPayload)
	}
	return b, nil
}
