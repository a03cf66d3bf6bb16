package encap

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// MaxTrainBytes is how many bytes of frames go in one message; a longer train is cut. The kernel takes IP packets of up to
// 65535 bytes, but keeps none whole from 65536 on with the Ethernet header (gso_features_check in net/core/dev.c, against
// gso_max_size): it would cut it in software, before the device. The headers are those of IPv6; over IPv4 it could be 20 more.
const MaxTrainBytes = 65535 - 14 - 40 - 8

// maxSegment is the longest frame of which two go together.
const maxSegment = MaxTrainBytes / 2

// segmentation is UDP GSO (UDP_SEGMENT, Linux 4.18): what the kernel takes, and the destinations for which it has refused
// to. Any goroutine may use it.
type segmentation struct {
	segments int  // of one message, at most; 0: it is off
	padded   bool // a train whose frames are all equally long needs padding
	refused  atomic.Pointer[map[netip.AddrPort]time.Time]
	mu       sync.Mutex // held by those who change refused
}

// enable sets what that kernel takes. UDP_MAX_SEGMENTS is 128 from Linux 6.9 and was 64 before; some of those older kernels
// counted the headers as well, so that the last segment had to be shorter: it is one less for them.
//
// Linux 7.0 to 7.1.4 send the last segment of a train with a wrong length and checksum if it is as long as the others and
// the device segments in part (NETIF_F_GSO_PARTIAL); other devices are not to be told from these. There, such a train gets
// one more frame that is shorter, which the receiver throws away.
func (g *segmentation) enable(k kernelVersion) {
	g.segments = 63
	if k.since(kernelVersion{6, 9}) {
		g.segments = 128
	}
	g.padded = k.since(kernelVersion{7, 0}) && !k.since(kernelVersion{7, 1, 5})
}

const (
	refusalFor  = time.Minute // how long a destination gets no trains after one was refused
	maxRefusals = 1024        // destinations
)

// limit is what the kernel takes of that train.
func (g *segmentation) limit(t *Train) limit {
	if g.segments == 0 || t.Size <= len(padding) || t.Size > maxSegment || g.refuses(t.To.Addr) {
		return oneFrame
	}
	l := limit{frames: g.segments, bytes: MaxTrainBytes}
	if g.padded {
		l.frames--
		l.bytes -= len(padding)
	}
	return l
}

// refuses reports whether a train to that destination was refused lately.
func (g *segmentation) refuses(to netip.AddrPort) bool {
	m := g.refused.Load()
	if m == nil {
		return false
	}
	until, ok := (*m)[to]
	return ok && time.Now().Before(until)
}

// refuse notes that the kernel took no train for that destination, but its frames.
func (g *segmentation) refuse(to netip.AddrPort) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	next := map[netip.AddrPort]time.Time{}
	if m := g.refused.Load(); m != nil {
		for addr, until := range *m {
			if now.Before(until) && len(next) < maxRefusals-1 {
				next[addr] = until
			}
		}
	}
	next[to] = now.Add(refusalFor)
	g.refused.Store(&next)
}

// renew forgets all refusals.
func (g *segmentation) renew() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refused.Store(nil)
}

// refusesTrain reports whether an error may mean that only the train was refused, and not its frames: EIO where the egress
// cannot compute checksums (to Linux 6.10) or IPsec is on the route, EINVAL on some virtio cards with IPv6; and EMSGSIZE, or
// EINVAL on older kernels, where a frame is larger than the route's MTU, which the frame alone will show.
func refusesTrain(errno unix.Errno) bool {
	switch errno {
	case unix.EIO, unix.EINVAL, unix.EMSGSIZE, unix.EOPNOTSUPP, enotsupp:
		return true
	default:
		return false
	}
}

// enotsupp is an error of the kernel's own that some drivers let slip out (include/linux/errno.h).
const enotsupp = unix.Errno(524)
