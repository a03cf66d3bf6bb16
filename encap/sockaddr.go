package encap

import (
	"encoding/binary"
	"net"
	"net/netip"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sockaddr has room for the socket address of either family.
type sockaddr = unix.RawSockaddrInet6

// putSockaddr writes to in the form that a socket of that family takes, and returns its length; 0: the family cannot
// carry it.
func putSockaddr(s *sockaddr, to netip.AddrPort, is6 bool) uint32 {
	if !is6 {
		return putSockaddr4(s, to)
	}
	if !to.Addr().IsValid() {
		return 0
	}
	*s = sockaddr{Family: unix.AF_INET6, Addr: to.Addr().As16(), Scope_id: scopeOf(to.Addr())}
	putPort(&s.Port, to.Port())
	return unix.SizeofSockaddrInet6
}

func putSockaddr4(s *sockaddr, to netip.AddrPort) uint32 {
	if !to.Addr().Is4() {
		return 0
	}
	s4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(s))
	*s4 = unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: to.Addr().As4()}
	putPort(&s4.Port, to.Port())
	return unix.SizeofSockaddrInet4
}

// sockaddrPort reads a socket address; IPv4-mapped addresses are unmapped.
func sockaddrPort(s *sockaddr) netip.AddrPort {
	if s.Family == unix.AF_INET {
		s4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(s))
		return netip.AddrPortFrom(netip.AddrFrom4(s4.Addr), port(&s4.Port))
	}
	addr := netip.AddrFrom16(s.Addr).Unmap()
	if s.Scope_id != 0 && addr.IsLinkLocalUnicast() {
		addr = addr.WithZone(strconv.FormatUint(uint64(s.Scope_id), 10))
	}
	return netip.AddrPortFrom(addr, port(&s.Port))
}

// scopeOf is the interface index of an address's zone, which is a number or an interface's name.
func scopeOf(a netip.Addr) uint32 {
	zone := a.Zone()
	if zone == "" {
		return 0
	}
	if n, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return uint32(n)
	}
	if i, err := net.InterfaceByName(zone); err == nil {
		return uint32(i.Index)
	}
	return 0
}

// Ports stand in network byte order in a socket address.
func putPort(field *uint16, port uint16) {
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(field))[:], port)
}

func port(field *uint16) uint16 {
	return binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(field))[:])
}
