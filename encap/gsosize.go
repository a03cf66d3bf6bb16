package encap

const (
	sendFrames  = 63           // of one UDP GSO send: UDP_MAX_SEGMENTS is 64 up to Linux 6.8, where the headers counted too
	gsoLegacy   = 65536        // GSO_LEGACY_MAX_SIZE: the largest gso_max_size without IPv6 jumbograms
	tcpHeaders  = 20 + 20 + 12 // IPv4, TCP, timestamps: those of most segments
	tcpReserved = 320 + 1      // MAX_TCP_HEADER+1 where it is largest: sk_setup_caps in net/core/sock.c takes it off gso_max_size
)

// GSOMaxSize is the gso_max_size, in bytes, for the interface of a pod whose packets weft carries in an overlay of that MTU (576
// bytes and more; 1280 and more with IPv6). Superpackets of TCP are then as large as they can be while the frames of each fit
// one UDP GSO send, sealed or not, over either family, with the usual TCP options.
//
// It belongs on the pod's own end alone, as gso_max_size and as gso_ipv4_max_size (Linux 6.3). On any interface that weft
// writes to or forwards through, the host's end of the pod's veth among them, the kernel would cut every larger superpacket
// into packets of the MTU (gso_features_check in net/core/dev.c).
func GSOMaxSize(mtu int) int {
	frame := mtu + HeaderLen + CounterLen + TagLen
	frames := max(1, min(sendFrames, MaxTrainBytes/frame))
	return min(gsoLegacy, frames*(mtu-tcpHeaders)+tcpReserved)
}
