package podnet

import (
	"crypto/sha256"
	"encoding/hex"
	"net"
	"net/netip"
	"slices"
)

// hostEndPrefix begins the name of every host end.
const hostEndPrefix = "wv"

// hostEndDigits is how much of a SHA-256 follows: 44 bits, so that two of a thousand pods have the same name once in 35 million nodes.
const hostEndDigits = 11

// HostEnd is the name of the host end of an attachment. It follows from what every CNI operation is told, so that DEL needs no record.
func HostEnd(container, ifname string) string {
	sum := sha256.Sum256([]byte(container + "\x00" + ifname))
	return hostEndPrefix + hex.EncodeToString(sum[:])[:hostEndDigits]
}

// bridgeMAC is that of the bridge, on every node the same: pods keep it as that of their gateway for good, also when the bridge is made
// again, and no frame ever gets from one node's bridge to another's. It is locally administered.
var bridgeMAC = net.HardwareAddr{0x02, 0x00, 0x5e, 0x00, 0x00, 0x01}

// BridgeMAC is the MAC of the bridge.
func BridgeMAC() net.HardwareAddr { return slices.Clone(bridgeMAC) }

// podMACPrefix begins the MAC addresses of pods: locally administered, as others derive them from IPv4 addresses, too.
var podMACPrefix = []byte{0x0a, 0x58}

// MAC is that of a pod with these addresses, of which there is one at least: two bytes and the IPv4 address, or a digest of the IPv6
// address. It belongs to the address: whoever gets that later has the same MAC, and what somebody remembers of the old pod is right.
func MAC(addrs []netip.Addr) net.HardwareAddr {
	for _, a := range addrs {
		if a.Is4() {
			return append(podMACPrefix[:2:2], a.AsSlice()...)
		}
	}
	sum := sha256.Sum256(addrs[0].AsSlice())
	return append(podMACPrefix[:2:2], sum[:4]...)
}

// macLen is the length of a MAC address of Ethernet, in bytes.
const macLen = 6

// linkLocal is the IPv6 address that the kernel gives an interface for its MAC (RFC 4291, appendix A).
func linkLocal(mac net.HardwareAddr) netip.Addr {
	a := [16]byte{0: 0xfe, 1: 0x80, 11: 0xff, 12: 0xfe}
	copy(a[8:11], mac[:3])
	copy(a[13:], mac[3:])
	a[8] ^= 2 // the bit of local administration is inverted
	return netip.AddrFrom16(a)
}
