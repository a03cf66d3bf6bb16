package encap

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// wantBuffer is what is asked of the kernel for each direction: 80 ms of 800 Mbit/s.
const wantBuffer = 8 << 20

// defaultTTL of outer packets (RFC 1340).
const defaultTTL = 64

// option is one socket option and what it is for.
type option struct {
	feature            string // none: not worth a line in status
	level, name, value int
}

var options4 = []option{
	{"pmtu-probe", unix.SOL_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE}, // DF always, and the kernel's cached MTU ignored
	{"reply-source", unix.SOL_IP, unix.IP_PKTINFO, 1},
	{"ecn", unix.SOL_IP, unix.IP_RECVTOS, 1},
	{"", unix.SOL_IP, unix.IP_TTL, defaultTTL},
	{"overflow-count", unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1},
}

var options6 = []option{
	{"pmtu-probe", unix.SOL_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE},
	{"reply-source", unix.SOL_IPV6, unix.IPV6_RECVPKTINFO, 1},
	{"ecn", unix.SOL_IPV6, unix.IPV6_RECVTCLASS, 1},
	{"", unix.SOL_IPV6, unix.IPV6_UNICAST_HOPS, defaultTTL},
}

// configure sets the options of a new socket and notes what the kernel gave.
func (u *UDPConn) configure(fd int) error {
	domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return fmt.Errorf("encap: family of socket: %w", err)
	}
	u.is6 = domain == unix.AF_INET6
	u.setOptions(fd)
	u.rcv = growBuffer(fd, unix.SO_RCVBUFFORCE, unix.SO_RCVBUF)
	u.snd = growBuffer(fd, unix.SO_SNDBUFFORCE, unix.SO_SNDBUF)
	u.features = append(u.features, ipv6Feature(u.is6), bufferFeature(min(u.rcv, u.snd)))
	return nil
}

// setOptions sets what the family needs; what the kernel refuses becomes an unavailable feature.
func (u *UDPConn) setOptions(fd int) {
	options := options4
	if u.is6 { // an IPv6 socket takes both: it carries IPv4 too
		options = append(options[:len(options):len(options)], options6...)
	}
	failed := map[string]error{}
	for _, o := range options {
		if err := unix.SetsockoptInt(fd, o.level, o.name, o.value); err != nil {
			failed[o.feature] = err
		}
	}
	for _, o := range options4 {
		switch err := failed[o.feature]; {
		case o.feature == "":
		case err != nil:
			u.features = append(u.features, Feature{Name: o.feature, State: FeatureUnavailable, Reason: err.Error()})
		default:
			u.features = append(u.features, Feature{Name: o.feature, State: FeatureOn})
		}
	}
}

// growBuffer asks for wantBuffer, first without the system's limit, and returns what was granted.
func growBuffer(fd, force, plain int) int {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, force, wantBuffer) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, plain, wantBuffer) // never fails: it is cut to the limit
	}
	granted, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, plain)
	if err != nil {
		return 0
	}
	return granted / 2 // socket(7): the kernel doubles the value, for its own bookkeeping
}

func ipv6Feature(is6 bool) Feature {
	if is6 {
		return Feature{Name: "ipv6", State: FeatureOn}
	}
	return Feature{Name: "ipv6", State: FeatureUnavailable, Reason: "the port is bound to IPv4, or the kernel has no IPv6"}
}

func bufferFeature(granted int) Feature {
	if granted >= wantBuffer {
		return Feature{Name: "large-buffers", State: FeatureOn}
	}
	return Feature{Name: "large-buffers", State: FeatureUnavailable, Reason: fmt.Sprintf(
		"the kernel granted %d of %d bytes: raise net.core.rmem_max and wmem_max, or run with CAP_NET_ADMIN", granted, wantBuffer)}
}
