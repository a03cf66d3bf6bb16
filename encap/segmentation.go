package encap

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// maxSegment is the longest frame that a train for the kernel may consist of; two of them must fit.
	maxSegment = maxTrain4 / 2

	// What one message may hold for UDP GSO, in bytes: an IP packet of 65535. The kernel takes 40 more over IPv6, whose
	// length does not count the header, but keeps no packet whole that is over 65536 with everything (gso_max_size).
	maxTrain4 = 65535 - 20 - 8
	maxTrain6 = 65535 - 40 - 8
)

// segmentation is UDP GSO (UDP_SEGMENT, Linux 4.18): what the kernel takes, and the destinations for which it has refused
// to. Any goroutine may use it.
type segmentation struct {
	segments int // of one message, at most; 0: it is off
	refused  atomic.Pointer[map[netip.AddrPort]time.Time]
	mu       sync.Mutex // held by those who change refused
}

const (
	refusalFor  = time.Minute // how long a destination gets no trains after one was refused
	maxRefusals = 1024        // destinations
)

// most is how many frames of a train go in one message.
func (g *segmentation) most(t *Train) int {
	if t.Size <= 0 || t.Size > maxSegment || g.segments == 0 || g.refuses(t.To.Addr) {
		return 1
	}
	bytes := maxTrain6
	if t.To.Addr.Addr().Is4() {
		bytes = maxTrain4
	}
	return max(1, min(g.segments, bytes/t.Size))
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
