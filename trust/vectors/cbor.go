package vectors

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// Field is one pair of a Map.
type Field struct {
	Key   uint64
	Value any
}

// Map is a CBOR map with unsigned keys, which stand in the order that they are to be written in: ascending.
type Map []Field

// CBOR writes a value deterministically (RFC 8949, section 4.2.1): uint64, bool, string, []byte, []any and Map.
func CBOR(v any) []byte { return appendCBOR(nil, v) }

func appendCBOR(b []byte, v any) []byte {
	switch v := v.(type) {
	case uint64:
		return appendHead(b, 0, v)
	case []byte:
		return append(appendHead(b, 2, uint64(len(v))), v...)
	case string:
		return append(appendHead(b, 3, uint64(len(v))), v...)
	case []any:
		b = appendHead(b, 4, uint64(len(v)))
		for _, x := range v {
			b = appendCBOR(b, x)
		}
		return b
	case Map:
		b = appendHead(b, 5, uint64(len(v)))
		for _, f := range v {
			b = appendCBOR(appendHead(b, 0, f.Key), f.Value)
		}
		return b
	case bool:
		if v {
			return append(b, 0xf5)
		}
		return append(b, 0xf4)
	}
	panic(fmt.Sprintf("vectors: cbor of %T", v))
}

// appendHead writes a major type and its number in the shortest form.
func appendHead(b []byte, major byte, n uint64) []byte {
	major <<= 5
	switch {
	case n < 24:
		return append(b, major|byte(n))
	case n < 1<<8:
		return append(b, major|24, byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(b, major|25), uint16(n))
	case n < 1<<32:
		return binary.BigEndian.AppendUint32(append(b, major|26), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(b, major|27), n)
}

// Prefix is a prefix as it stands in CBOR: a byte string of the address and the number of bits (the binary form of Go's
// netip.Prefix).
func Prefix(p netip.Prefix) []byte { return append(p.Addr().AsSlice(), byte(p.Bits())) }

// AddrPort is an address and port as it stands in CBOR: a byte string of the address and the port, whose low byte is first (the
// binary form of Go's netip.AddrPort).
func AddrPort(a netip.AddrPort) []byte {
	return binary.LittleEndian.AppendUint16(a.Addr().AsSlice(), a.Port())
}
