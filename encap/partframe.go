package encap

import (
	"encoding/binary"
	"errors"
	"math"
)

// A frame that is longer than what the path takes travels as parts:
//
//	header(8) | frame id(4) | number(1) | count(1) | length(2) | piece
//
// length is that of the whole frame, which begins with a header of its own and is protected as ever. The pieces have
// ceil(length / count) bytes, the last one what is left: so the head of a part says where its piece lies, and no two pieces
// overlap. Index and lane are those of the frame.
//
// A part has no tag. What comes of its parts is worth something only if the whole frame verifies. Who is not on the path and
// wants to spoil one has to guess an index of the receiver's (32 bits) and the id (32 bits, from a random start), within the
// few milliseconds in which a frame waits for its other parts, in datagrams that seem to come from the peer's endpoint; who is
// on the path and sees both can also drop the parts. What he can make a receiver remember is bounded (Rejoiner).

// PartHead is what a part has in front of its piece, in bytes.
const PartHead = HeaderLen + 4 + 1 + 1 + 2

// maxParts is how many parts a frame has at most.
const maxParts = math.MaxUint8

// ErrPart says that a part's head cannot be, or that its piece is not as long as it says.
var ErrPart = errors.New("encap: part of a frame that cannot be")

// Parts says how a frame is cut.
type Parts struct {
	ID     uint32 // that the sender of the lane has not used lately
	Lane   uint8
	Index  uint32 // of the receiver's
	Length int    // of the frame, up to 65535
	Count  int    // of parts; 2 at least
}

// CutFrame says in how many parts a frame of length bytes goes of which none has more than most bytes, its head included. 0: it
// cannot be cut so.
func CutFrame(length, most int) (count int) {
	room := most - PartHead
	if room <= 0 || length > math.MaxUint16 {
		return 0
	}
	count = max(2, (length+room-1)/room)
	if count > maxParts || count > length {
		return 0
	}
	return count
}

// PieceLen is the length of every piece but the last.
func (p *Parts) PieceLen() int { return (p.Length + p.Count - 1) / p.Count }

// Piece is where the piece of that number lies in the frame.
func (p *Parts) Piece(number int) (begin, end int) {
	n := p.PieceLen()
	return number * n, min((number+1)*n, p.Length)
}

// PutHead writes the head of a part to the first PartHead bytes of dst; the piece follows it.
func (p *Parts) PutHead(dst []byte, number int) {
	_ = dst[PartHead-1]
	Header{Type: Part, Lane: p.Lane, Index: p.Index}.put(dst)
	binary.BigEndian.PutUint32(dst[8:], p.ID)
	dst[12], dst[13] = byte(number), byte(p.Count)
	binary.BigEndian.PutUint16(dst[14:], uint16(p.Length))
}

// ParsePart reads a part; piece is borrowed from frame. The error is ErrShort, ErrVersion, ErrType, ErrReserved or ErrPart.
func ParsePart(frame []byte) (p Parts, number int, piece []byte, err error) {
	h, err := ParseHeader(frame)
	switch {
	case err != nil:
		return p, 0, nil, err
	case h.Type != Part:
		return p, 0, nil, ErrType
	case len(frame) < PartHead:
		return p, 0, nil, ErrShort
	}
	p = Parts{
		ID: binary.BigEndian.Uint32(frame[8:]), Lane: h.Lane, Index: h.Index,
		Length: int(binary.BigEndian.Uint16(frame[14:])), Count: int(frame[13]),
	}
	number, piece = int(frame[12]), frame[PartHead:]
	if p.Count < 2 || number >= p.Count || p.Length < HeaderLen {
		return p, 0, nil, ErrPart
	}
	begin, end := p.Piece(number)
	if last, _ := p.Piece(p.Count - 1); last >= p.Length || len(piece) != end-begin {
		return p, 0, nil, ErrPart
	}
	return p, number, piece, nil
}
