package encap

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ancillary is the memory of a message's control data (cmsg(3)), aligned as the kernel wants it. The most that comes with
// one datagram is, on a 64-bit machine: IP_PKTINFO 32, IP_TOS 24, IPV6_PKTINFO 40, SO_RXQ_OVFL 24, and UDP_GRO 24.
type ancillary [24]uint64

func (a *ancillary) bytes() []byte {
	return (*[unsafe.Sizeof(ancillary{})]byte)(unsafe.Pointer(a))[:]
}

// control says which parts of an ancillary are in use: the source address first, then TOS or traffic class, then the
// length of segments. A kernel that refuses the source gets the message again without it; a single frame goes without the
// last part.
type control struct {
	source int // where the source address ends
	single int // where that ends which goes with a single frame
	train  int // where all ends
}

// put writes the control data of a train: our source address if one is wanted, TOS or traffic class if not zero, and the
// length of segments if there are any.
func (a *ancillary) put(t *Train) (c control) {
	b := a.bytes()
	is4 := t.To.Addr.Addr().Is4()
	c.source = putSource(b, t.To.Local, is4)
	c.single = c.source + putTOS(b[c.source:], t.DSCP<<2|t.ECN&3, is4)
	c.train = c.single
	if t.Size > 0 && t.Size <= maxSegment {
		var raw [2]byte
		binary.NativeEndian.PutUint16(raw[:], uint16(t.Size))
		c.train += putMessage(b[c.single:], unix.SOL_UDP, unix.UDP_SEGMENT, raw[:])
	}
	return c
}

// putSource writes our source address, if it is of the destination's family.
func putSource(b []byte, local netip.Addr, is4 bool) int {
	switch {
	case !local.IsValid() || local.Is4() != is4:
		return 0
	case is4:
		info := unix.Inet4Pktinfo{Spec_dst: local.As4()}
		raw := (*[unix.SizeofInet4Pktinfo]byte)(unsafe.Pointer(&info))
		return putMessage(b, unix.SOL_IP, unix.IP_PKTINFO, raw[:])
	default:
		info := unix.Inet6Pktinfo{Addr: local.As16()}
		raw := (*[unix.SizeofInet6Pktinfo]byte)(unsafe.Pointer(&info))
		return putMessage(b, unix.SOL_IPV6, unix.IPV6_PKTINFO, raw[:])
	}
}

func putTOS(b []byte, tos uint8, is4 bool) int {
	if tos == 0 {
		return 0
	}
	var raw [4]byte
	binary.NativeEndian.PutUint32(raw[:], uint32(tos))
	if is4 {
		return putMessage(b, unix.SOL_IP, unix.IP_TOS, raw[:])
	}
	return putMessage(b, unix.SOL_IPV6, unix.IPV6_TCLASS, raw[:])
}

// putMessage writes one control message and returns the room it takes.
func putMessage(b []byte, level, kind int, data []byte) int {
	h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
	h.Level, h.Type = int32(level), int32(kind)
	h.SetLen(unix.CmsgLen(len(data)))
	copy(b[unix.CmsgLen(0):], data)
	return unix.CmsgSpace(len(data))
}

// received is what the control data of a datagram tells.
type received struct {
	local    netip.Addr
	tos      uint8
	segment  int // bytes of each frame, if there are several
	overflow uint32
}

// parse reads the first n bytes. What it does not know it passes over.
func (a *ancillary) parse(n int) (r received) {
	b := a.bytes()
	b = b[:min(n, len(b))]
	for len(b) >= unix.SizeofCmsghdr {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
		size := int(h.Len)
		if size < unix.CmsgLen(0) || size > len(b) {
			return r
		}
		r.take(int(h.Level), int(h.Type), b[unix.CmsgLen(0):size])
		b = b[min(unix.CmsgSpace(size-unix.CmsgLen(0)), len(b)):]
	}
	return r
}

func (r *received) take(level, kind int, data []byte) {
	switch {
	case level == unix.SOL_IP && kind == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
		r.local = netip.AddrFrom4([4]byte(data[4:8])) // ipi_spec_dst: ours, also if the destination was a broadcast
	case level == unix.SOL_IPV6 && kind == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
		if addr := netip.AddrFrom16([16]byte(data[:16])); !addr.Is4In6() {
			r.local = addr
		}
	case level == unix.SOL_IP && kind == unix.IP_TOS && len(data) >= 1:
		r.tos = data[0]
	case level == unix.SOL_IPV6 && kind == unix.IPV6_TCLASS && len(data) >= 4:
		r.tos = uint8(binary.NativeEndian.Uint32(data))
	case level == unix.SOL_UDP && kind == unix.UDP_GRO && len(data) >= 4:
		r.segment = int(int32(binary.NativeEndian.Uint32(data)))
	case level == unix.SOL_SOCKET && kind == unix.SO_RXQ_OVFL && len(data) >= 4:
		r.overflow = binary.NativeEndian.Uint32(data)
	}
}
