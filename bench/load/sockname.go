package load

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// sockname is a socket address as the kernel writes it, with room for both families.
type sockname unix.RawSockaddrInet6

// sockNameLen is its size in bytes, which the kernel is told.
const sockNameLen = unix.SizeofSockaddrInet6

// addrPort reads it. IPv4 addresses are in their own form, and there are no zones; the zero AddrPort is another family.
func (n *sockname) addrPort() netip.AddrPort {
	port := binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(make([]byte, 0, 2), n.Port))
	switch n.Family {
	case unix.AF_INET: // the address of struct sockaddr_in begins where sin6_flowinfo does
		var b [4]byte
		binary.NativeEndian.PutUint32(b[:], n.Flowinfo)
		return netip.AddrPortFrom(netip.AddrFrom4(b), port)
	case unix.AF_INET6:
		return netip.AddrPortFrom(netip.AddrFrom16(n.Addr).Unmap(), port)
	}
	return netip.AddrPort{}
}
