package measure

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"

	"github.com/weftnet/weft/lab"
)

// Counters of devices in an Observation.
const (
	CounterRxDropped = "DeviceRxDropped"
	CounterTxDropped = "DeviceTxDropped"
	CounterRxErrors  = "DeviceRxErrors"
	CounterTxErrors  = "DeviceTxErrors"
	CounterQueue     = "QueueDropped"   // by the devices' queueing disciplines
	CounterBacklog   = "SoftnetDropped" // by the cores' backlogs; of the whole machine
)

// deviceKey names a device for the life of its namespace: the kernel does not use an index twice before it has counted through
// all of them.
type deviceKey struct {
	space string
	index int
}

// device is what the kernel has counted of one device.
type device struct {
	veth                                             bool
	rxDropped, txDropped, rxErrors, txErrors, queued uint64
}

// readDevices adds the devices of a namespace, without lo, to all.
func readDevices(n *lab.Namespace, all map[deviceKey]device) error {
	err := n.Do(func() error {
		links, err := netlink.LinkList()
		if err != nil {
			return fmt.Errorf("devices: %w", err)
		}
		queues, err := queueDrops()
		if err != nil {
			return fmt.Errorf("queueing disciplines: %w", err)
		}
		for _, link := range links {
			a := link.Attrs()
			if s := a.Statistics; s != nil && a.Name != "lo" {
				all[deviceKey{n.FullName(), a.Index}] = device{
					veth: link.Type() == "veth", queued: queues[a.Index],
					rxDropped: s.RxDropped, txDropped: s.TxDropped, rxErrors: s.RxErrors, txErrors: s.TxErrors,
				}
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("measure: counters of %s: %w", n.Name(), err)
	}
	return nil
}

// queueDrops are the packets that each device's queueing discipline has dropped, by index. Only the root counts: what hangs
// below it reports to it.
func queueDrops() (map[int]uint64, error) {
	all, err := netlink.QdiscList(nil)
	if err != nil {
		return nil, err
	}
	drops := map[int]uint64{}
	for _, q := range all {
		if a := q.Attrs(); a.Parent == netlink.HANDLE_ROOT && a.Statistics != nil && a.Statistics.Queue != nil {
			drops[a.LinkIndex] += uint64(a.Statistics.Queue.Drops)
		}
	}
	return drops, nil
}

// since is what a device has counted between two readings. A count that went down began anew, as with a device that was made
// again.
func (d device) since(before device) device {
	grown := func(now, then uint64) uint64 {
		if now < then {
			return now
		}
		return now - then
	}
	return device{
		veth: d.veth, queued: grown(d.queued, before.queued),
		rxDropped: grown(d.rxDropped, before.rxDropped), txDropped: grown(d.txDropped, before.txDropped),
		rxErrors: grown(d.rxErrors, before.rxErrors), txErrors: grown(d.txErrors, before.txErrors),
	}
}

// drops counts each lost packet once. A veth that finds no room in the other end's backlog counts a packet as not sent, and
// the other end the same packet as not received (veth_xmit in drivers/net/veth.c, enqueue_to_backlog in net/core/dev.c); what
// else a veth does not receive are packets of protocols that nobody speaks.
func (d device) drops() uint64 {
	if d.veth {
		return d.txDropped + d.queued
	}
	return d.txDropped + d.rxDropped + d.queued
}

func readBacklog() (uint64, error) {
	raw, err := os.ReadFile("/proc/net/softnet_stat")
	if err != nil {
		return 0, fmt.Errorf("measure: drops of the backlog: %w", err)
	}
	return parseBacklog(string(raw))
}

// parseBacklog sums the second column of softnet_stat, softnet_seq_show in net/core/net-procfs.c: a line for each core, all
// numbers hexadecimal.
func parseBacklog(text string) (uint64, error) {
	var sum uint64
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			return 0, fmt.Errorf("measure: drops of the backlog: line %q: want two columns or more", strings.TrimSpace(line))
		}
		n, err := strconv.ParseUint(fields[1], 16, 64)
		if err != nil {
			return 0, fmt.Errorf("measure: drops of the backlog: %w", err)
		}
		sum += n
	}
	return sum, nil
}
