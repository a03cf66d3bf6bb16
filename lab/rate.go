package lab

import (
	"fmt"

	"github.com/vishvananda/netlink"
)

const (
	minRate = 100_000         // bit/s: a burst below lasts seconds
	maxRate = 100_000_000_000 // bit/s: the queue of one below still fits 32 bits
)

func checkRate(rate uint64) error {
	if rate != 0 && (rate < minRate || rate > maxRate) {
		return fmt.Errorf("lab: rate %d bit/s: want %d to %d, or 0 for unlimited", rate, minRate, uint64(maxRate))
	}
	return nil
}

// limit makes an interface send no faster than rate in bit/s; 0 is unlimited. It is a token bucket, tc-tbf(8).
func (n *Namespace) limit(name string, rate uint64) error {
	if rate == 0 {
		return nil
	}
	link, err := n.link(name)
	if err != nil {
		return err
	}
	bytes := rate / 8
	burst := bytes/1000 + 2*uint64(link.Attrs().MTU) // 1 ms, and whole packets: superpackets are cut to fit
	bucket := &netlink.Tbf{
		QdiscAttrs: netlink.QdiscAttrs{LinkIndex: link.Attrs().Index, Handle: netlink.MakeHandle(1, 0), Parent: netlink.HANDLE_ROOT},
		Rate:       bytes,
		Buffer:     netlink.Xmittime(bytes, uint32(burst)),
		Limit:      uint32(bytes/20 + burst), // 50 ms, as a router's queue
	}
	if err := n.links.QdiscReplace(bucket); err != nil {
		return fmt.Errorf("lab: limit %s in %s to %d bit/s: %w", name, n.name, rate, lacking("sch_tbf", err))
	}
	return nil
}
