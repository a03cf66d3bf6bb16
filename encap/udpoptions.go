package encap

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// defaultBuffer is what is asked of the kernel for each direction: 80 ms of 800 Mbit/s.
const defaultBuffer = 8 << 20

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
func (u *UDPPort) configure(fd int, is6 bool, o UDPOptions) error {
	u.features = nil
	u.setOptions(fd, is6)
	u.rcv = growBuffer(fd, unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, o.Buffer)
	u.snd = growBuffer(fd, unix.SO_SNDBUFFORCE, unix.SO_SNDBUF, o.Buffer)
	u.features = append(u.features, ipv6Feature(is6), bufferFeature(min(u.rcv, u.snd), o.Buffer))
	segments, gso, err := setGSO(fd, o.GSO)
	if err != nil {
		return err
	}
	u.gso.segments = segments
	gro, err := setGRO(fd, o.GRO)
	if err != nil {
		return err
	}
	u.features = append(u.features, gso, gro)
	return nil
}

// setOptions sets what the family needs; what the kernel refuses becomes an unavailable feature.
func (u *UDPPort) setOptions(fd int, is6 bool) {
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
			u.features = append(u.features, Feature{Name: o.feature, State: FeatureUnavailable, Reason: err.Error()})
		default:
			u.features = append(u.features, Feature{Name: o.feature, State: FeatureOn})
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

// setGSO finds out how many segments a message may have (UDP_SEGMENT, Linux 4.18).
func setGSO(fd int, k Knob) (segments int, f Feature, err error) {
	_, err = unix.GetsockoptInt(fd, unix.SOL_UDP, unix.UDP_SEGMENT)
	f, err = offload("gso", k, err, "Linux 4.18")
	if f.State == FeatureOn {
		segments = 64
	}
	return segments, f, err
}

// setGRO turns UDP_GRO on (Linux 5.0).
func setGRO(fd int, k Knob) (Feature, error) {
	if k == KnobOff {
		return offload("gro", k, nil, "")
	}
	return offload("gro", k, unix.SetsockoptInt(fd, unix.SOL_UDP, unix.UDP_GRO, 1), "Linux 5.0")
}

// offload is what becomes of an offload by its knob and the probe's outcome.
func offload(name string, k Knob, probe error, since string) (Feature, error) {
	f := Feature{Name: name, State: FeatureOn}
	switch {
	case k == KnobOff:
		return Feature{Name: name, State: FeatureOff, Reason: "it is configured off"}, nil
	case probe == nil:
		return f, nil
	case errors.Is(probe, unix.ENOPROTOOPT):
		f.Reason = "the kernel cannot: " + since + " brings it"
	default:
		f.Reason = "the probe failed: " + probe.Error()
	}
	f.State = FeatureUnavailable
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
