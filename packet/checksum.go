package packet

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// Sum adds the bytes of b, as 16-bit big-endian words in ones' complement, to initial (RFC 1071). b must start at an even
// offset of what is summed; a last odd byte is padded with zero.
func Sum(b []byte, initial uint32) uint32 {
	var sum, carry uint64
	for len(b) >= 32 {
		sum, carry = bits.Add64(sum, binary.NativeEndian.Uint64(b), carry)
		sum, carry = bits.Add64(sum, binary.NativeEndian.Uint64(b[8:]), carry)
		sum, carry = bits.Add64(sum, binary.NativeEndian.Uint64(b[16:]), carry)
		sum, carry = bits.Add64(sum, binary.NativeEndian.Uint64(b[24:]), carry)
		b = b[32:]
	}
	for len(b) >= 8 {
		sum, carry = bits.Add64(sum, binary.NativeEndian.Uint64(b), carry)
		b = b[8:]
	}
	if len(b) > 0 {
		var last [8]byte
		copy(last[:], b)
		sum, carry = bits.Add64(sum, binary.NativeEndian.Uint64(last[:]), carry)
	}
	sum, carry = bits.Add64(sum, 0, carry)
	sum += carry
	return addWords(initial, networkOrder(fold64(sum)))
}

// networkOrder turns a folded sum of native words into one of big-endian words: the sum commutes with the byte order
// (RFC 1071 section 2 B).
func networkOrder(sum uint16) uint16 {
	var b [2]byte
	binary.NativeEndian.PutUint16(b[:], sum)
	return binary.BigEndian.Uint16(b[:])
}

func fold64(sum uint64) uint16 {
	sum = sum>>32 + sum&0xffffffff
	sum = sum>>32 + sum&0xffffffff
	return Fold(uint32(sum))
}

// Fold brings a sum to 16 bits. The checksum is its complement.
func Fold(sum uint32) uint16 {
	sum = sum>>16 + sum&0xffff
	sum = sum>>16 + sum&0xffff
	return uint16(sum)
}

// addWords adds with the carry brought round, so that a sum of any length stays right.
func addWords(sum uint32, word uint16) uint32 {
	total, carry := bits.Add32(sum, uint32(word), 0)
	return total + carry
}

// PseudoSum is the sum of the pseudo header: addresses, protocol, and the length of transport header and payload
// (RFC 9293 section 3.1, RFC 8200 section 8.1).
func PseudoSum(src, dst netip.Addr, proto uint8, length int) uint32 {
	return uint32(Fold(sumAddr(dst, sumAddr(src, 0)))) + uint32(proto) + uint32(length)
}

func sumAddr(a netip.Addr, initial uint32) uint32 {
	if a.Is4() {
		b := a.As4()
		return Sum(b[:], initial)
	}
	b := a.As16()
	return Sum(b[:], initial)
}

// CompleteChecksum turns a partial checksum into a complete one: the field lies at start+offset and covers everything from
// start to the end of b. A result of zero is written as 0xffff, which is the same number and, for UDP, does not mean
// "no checksum" (RFC 768). It returns ErrChecksum, and changes nothing, when the field is not inside b.
func CompleteChecksum(b []byte, start, offset int) error {
	if start < 0 || offset < 0 || offset > len(b) || start > len(b)-offset-2 {
		return ErrChecksum
	}
	put16(b[start+offset:], mangle(^Fold(Sum(b[start:], 0))))
	return nil
}

// mangle writes the ones' complement zero as 0xffff (Linux: CSUM_MANGLED_0).
func mangle(checksum uint16) uint16 {
	if checksum == 0 {
		return 0xffff
	}
	return checksum
}

func get16(b []byte) uint16 { return binary.BigEndian.Uint16(b) }

func put16(b []byte, v uint16) { binary.BigEndian.PutUint16(b, v) }
