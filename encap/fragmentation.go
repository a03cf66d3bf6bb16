package encap

import (
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// fragmentation lets the kernel and routers fragment over IPv4 what a socket sends, but for what is to go whole or not at all.
// Handshakes and gossip have to get through where packets are shorter than they are, and where no session is that could split
// them; IPv6 always takes 1280 bytes, and routers fragment none of it. Data frames are never fragmented: weft splits them
// itself, by sizes that are known.
//
// The option is the socket's. What others send while it is forbidden goes whole, too.
type fragmentation struct{ mu sync.Mutex } // held from forbid to allow

// forbid makes what is sent go whole until allow. The error is the kernel's, and then allow is not to be called.
func (f *fragmentation) forbid(fd int) error {
	f.mu.Lock()
	if err := f.set(fd, unix.IP_PMTUDISC_PROBE); err != nil {
		f.mu.Unlock()
		return err
	}
	return nil
}

// allow ends what forbid began.
func (f *fragmentation) allow(fd int) {
	_ = f.set(fd, unix.IP_PMTUDISC_OMIT) // the kernel took it before
	f.mu.Unlock()
}

// set sets how the socket discovers the MTU. With IP_PMTUDISC_OMIT (Linux 3.15) frames have no DF, are fragmented here by the MTU of
// the interface, and no ICMP message changes what is known of the path.
func (f *fragmentation) set(fd, how int) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_MTU_DISCOVER, how); err != nil {
		return fmt.Errorf("encap: set whether IPv4 fragments: %w", err)
	}
	return nil
}
