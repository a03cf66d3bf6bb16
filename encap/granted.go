package encap

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// defaultTTL of outer packets (RFC 1340).
const defaultTTL = 64

// sockoption is one socket option and what it is for.
type sockoption struct {
	feature            string // none: not worth a line in status
	level, name, value int
}

var options4 = []sockoption{
	{"pmtu-probe", unix.SOL_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE}, // DF always, and the kernel's cached MTU ignored
	{"reply-source", unix.SOL_IP, unix.IP_PKTINFO, 1},
	{"ecn", unix.SOL_IP, unix.IP_RECVTOS, 1},
	{"", unix.SOL_IP, unix.IP_TTL, defaultTTL},
	{"overflow-count", unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1},
}

var options6 = []sockoption{
	{"pmtu-probe", unix.SOL_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE},
	{"reply-source", unix.SOL_IPV6, unix.IPV6_RECVPKTINFO, 1},
	{"ecn", unix.SOL_IPV6, unix.IPV6_RECVTCLASS, 1},
	{"", unix.SOL_IPV6, unix.IPV6_UNICAST_HOPS, defaultTTL},
}

// granted is what the kernel gave to one socket.
type granted struct {
	features      []Feature
	receive, send int  // buffers, in bytes
	segments      bool // trains are to be sent in one piece
}

// and is what both sockets got. A port's sockets have the same features; the first one's tell.
func (g granted) and(other granted) granted {
	if g.features == nil {
		return other
	}
	g.receive, g.send = min(g.receive, other.receive), min(g.send, other.send)
	return g
}

// configure sets the options of a new socket. The error says what was demanded and is not to be had.
func configure(fd int, is6 bool, o UDPOptions) (g granted, err error) {
	g.setOptions(fd, is6)
	g.receive = growBuffer(fd, unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, o.Buffer)
	g.send = growBuffer(fd, unix.SO_SNDBUFFORCE, unix.SO_SNDBUF, o.Buffer)
	gso, err := probeGSO(fd, o.GSO)
	if err != nil {
		return g, err
	}
	gro, err := setGRO(fd, o.GRO)
	if err != nil {
		return g, err
	}
	g.segments = gso.State == FeatureOn
	g.features = append(g.features, ipv6Feature(is6), bufferFeature(min(g.receive, g.send), o.Buffer), gso, gro)
	return g, nil
}

// setOptions sets what the family needs; what the kernel refuses becomes an unavailable feature.
func (g *granted) setOptions(fd int, is6 bool) {
	options := options4
	if is6 { // an IPv6 socket takes both: it carries IPv4 too
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
			g.features = append(g.features, Feature{Name: o.feature, State: FeatureUnavailable, Reason: err.Error()})
		default:
			g.features = append(g.features, Feature{Name: o.feature, State: FeatureOn})
		}
	}
}

// growBuffer asks for a buffer of want bytes, first without the system's limit, and returns what was granted.
func growBuffer(fd, force, plain, want int) int {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, force, want) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, plain, want) // never fails: it is cut to the limit
	}
	granted, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, plain)
	if err != nil {
		return 0
	}
	return granted / 2 // socket(7): the kernel doubles the value, for its own bookkeeping
}

// probeGSO asks for the option, which changes nothing. Whether a route takes trains shows only when one is sent.
func probeGSO(fd int, k Knob) (Feature, error) {
	_, err := unix.GetsockoptInt(fd, unix.SOL_UDP, unix.UDP_SEGMENT)
	return offload("gso", "Linux 4.18", k, err)
}

// setGRO turns UDP_GRO on, or off on an inherited socket that had it on.
func setGRO(fd int, k Knob) (Feature, error) {
	on := 1
	if k == KnobOff {
		on = 0
	}
	err := unix.SetsockoptInt(fd, unix.SOL_UDP, unix.UDP_GRO, on)
	return offload("gro", "Linux 5.0", k, err)
}

// offload is what becomes of an offload by its knob and the outcome of its probe. nil: the kernel can. ENOPROTOOPT: it
// cannot, and since names the version that brings it. Other errors: the probe failed.
func offload(name, since string, k Knob, probe error) (Feature, error) {
	f := Feature{Name: name, State: FeatureUnavailable}
	switch {
	case k == KnobOff:
		f.State, f.Reason = FeatureOff, "it is configured off"
		return f, nil
	case probe == nil:
		f.State = FeatureOn
		return f, nil
	case errors.Is(probe, unix.ENOPROTOOPT):
		f.Reason = "the kernel cannot: " + since + " brings it"
	default:
		f.Reason = "the probe failed: " + probe.Error()
	}
	if k == KnobOn {
		return f, fmt.Errorf("%s is configured on, but %s", name, f.Reason)
	}
	return f, nil
}

func ipv6Feature(is6 bool) Feature {
	if is6 {
		return Feature{Name: "ipv6", State: FeatureOn}
	}
	return Feature{Name: "ipv6", State: FeatureUnavailable, Reason: "the port is bound to IPv4, or the kernel has no IPv6"}
}

func bufferFeature(granted, want int) Feature {
	if granted >= want {
		return Feature{Name: "large-buffers", State: FeatureOn}
	}
	return Feature{Name: "large-buffers", State: FeatureUnavailable, Reason: fmt.Sprintf(
		"the kernel granted %d of %d bytes: raise net.core.rmem_max and wmem_max, or run with CAP_NET_ADMIN", granted, want)}
}
