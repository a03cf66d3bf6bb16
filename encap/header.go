package encap

import (
	"encoding/binary"
	"errors"
)

// Version is the frame version that this package speaks.
const Version = 1

// Type says what a frame is. It is the low half of the first byte.
type Type uint8

// The frame types.
const (
	Initiation Type = 1 // first message of a handshake
	Response   Type = 2 // second message of a handshake
	Cookie     Type = 3 // answer to an initiation, under load
	Data       Type = 4 // one packet
	Control    Type = 5 // probes, gossip and goodbyes of a session
	GossipType Type = 6 // gossip between nodes without a session
	Relay      Type = 7 // a frame of others, which the receiver takes for its own or carries on
	Part       Type = 8 // a piece of a frame that is too long for the path
)

// Lengths of a frame's parts, in bytes.
const (
	HeaderLen  = 8  // version and type, flags, lane, zero, index
	CounterLen = 8  // of sealed frames
	TagLen     = 16 // of sealed frames

	sealedHead = HeaderLen + CounterLen // authenticated, not encrypted
)

// The flags of data frames. Others are for later versions, and refused with ErrFlags: what they would mean of the body is
// not known. Handshake frames have FlagCookie, gossip frames FlagProven; their other flags, and those of other types, are ignored.
const (
	FlagClear   uint8 = 1 << 7 // the body is in clear
	FlagPartial uint8 = 1 << 6 // the TCP or UDP checksum in the packet is partial; where it is packet.PartialChecksum says
	FlagCookie  uint8 = 1 << 7 // of handshake frames: a MAC under a cookie stands behind the MAC under the cluster's key
)

// padding is a frame of type 0 without a header. It may end a train, and is for the receiving port alone, which throws it
// away.
var padding = [...]byte{Version << 4}

// Errors of frames that are not of version 1.
var (
	ErrShort    = errors.New("encap: frame too short")
	ErrVersion  = errors.New("encap: unknown frame version")
	ErrType     = errors.New("encap: unknown frame type")
	ErrFlags    = errors.New("encap: data frame with an unknown flag")
	ErrReserved = errors.New("encap: reserved byte of frame is not zero")
)

// Header is the head of every frame.
type Header struct {
	Type  Type
	Flags uint8
	Lane  uint8  // the sender's
	Index uint32 // chosen by the receiver in the handshake; 0 in initiations; the number of the key in gossip frames
}

// Partial reports whether a data frame's packet came with a partial checksum. In a sealed session that is authenticated as
// soon as OpenData has taken the frame, in a clear one as little as the body.
func (h Header) Partial() bool { return h.Flags&FlagPartial != 0 }

// Append adds the 8 bytes of h to dst.
func (h Header) Append(dst []byte) []byte {
	dst = append(dst, Version<<4|byte(h.Type), h.Flags, h.Lane, 0)
	return binary.BigEndian.AppendUint32(dst, h.Index)
}

// put writes the 8 bytes of h to dst.
func (h Header) put(dst []byte) {
	_ = dst[HeaderLen-1]
	dst[0], dst[1], dst[2], dst[3] = Version<<4|byte(h.Type), h.Flags, h.Lane, 0
	binary.BigEndian.PutUint32(dst[4:], h.Index)
}

// ParseHeader reads the head of a frame. The error is ErrShort, ErrVersion, ErrType or ErrReserved.
func ParseHeader(frame []byte) (Header, error) {
	if len(frame) < HeaderLen {
		return Header{}, ErrShort
	}
	if frame[0]>>4 != Version {
		return Header{}, ErrVersion
	}
	h := Header{Type: Type(frame[0] & 0x0f), Flags: frame[1], Lane: frame[2], Index: binary.BigEndian.Uint32(frame[4:])}
	if h.Type < Initiation || h.Type > Part {
		return Header{}, ErrType
	}
	if frame[3] != 0 {
		return Header{}, ErrReserved
	}
	return h, nil
}
