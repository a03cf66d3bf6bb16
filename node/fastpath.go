package node

import (
	"fmt"
	"runtime"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/router"
	"github.com/weftnet/weft/tun"
)

// fastPath is how packets move, as 'weft status --fastpath' shows it.
func (n *Node) fastPath() api.FastPath {
	spin, why := spinFor(n.platform.CPU)
	device, counters := n.state.counted()
	r := api.FastPath{
		Lanes: len(n.port.Lanes()), LanesWhy: n.lanes.why, LanesLack: n.lanes.lack, Polled: true,
		CPUs: n.platform.CPU.CPUs, CPUQuota: n.platform.CPU.Quota, Threads: runtime.GOMAXPROCS(0), Spin: spin, SpinWhy: why,
		Partial: n.partial(device), Refused: n.state.refusedTrains(), PerLane: []api.Lane{},
	}
	for _, l := range n.router.Lanes() {
		totals := laneTotals(l)
		r.PerLane = append(r.PerLane, api.Lane{Lane: l.Lane, LaneTotals: totals})
		r.LaneTotals = sum(r.LaneTotals, totals)
		r.Polled = r.Polled && l.Polled
	}
	r.FramesPerCallOut = ratio(r.PacketsOut, r.SendCalls)
	r.FramesPerCallIn = ratio(r.FramesIn, r.Receives)
	r.SegmentsPerSuperpacketIn = ratio(r.PacketsIn, r.Written)
	if c, ok := device.(tun.Counted); ok {
		r.Queue = queues(c, counters)
		r.SegmentsPerSuperpacketOut = ratio(counters.Read.Segments, counters.Read.Superpackets)
	} else if r.PacketsOut > 0 {
		r.SegmentsPerSuperpacketOut = 1 // drivers that do not count read single packets
	}
	return r
}

// partial says whether checksums of inner packets are left partial.
func (n *Node) partial(device tun.Device) api.Feature {
	f := api.Feature{Name: "partial", State: string(tun.OffloadOn)}
	switch {
	case n.config().Offload.Partial == encap.KnobOff:
		f.State, f.Reason = string(tun.OffloadOff), "it is configured off"
	case device.Driver() == tun.DriverPlain || device.Driver() == tun.DriverBatch:
		f.State, f.Reason = string(tun.OffloadOff), fmt.Sprintf("driver %s hands over complete ones", device.Driver())
	}
	return f
}

func laneTotals(l router.LaneStats) api.LaneTotals {
	return api.LaneTotals{
		PacketsOut: l.Packets, SendCalls: l.Sends, MessagesOut: l.Messages, Resent: l.Resent,
		FramesIn: l.Frames, Receives: l.Receives, MessagesIn: l.Datagrams, PacketsIn: l.Delivered, Written: l.Written,
		Misdirected: l.Misdirected, Spins: l.Spins, Waits: l.Waits,
	}
}

func sum(a, b api.LaneTotals) api.LaneTotals {
	return api.LaneTotals{
		PacketsOut: a.PacketsOut + b.PacketsOut, SendCalls: a.SendCalls + b.SendCalls, MessagesOut: a.MessagesOut + b.MessagesOut,
		Resent: a.Resent + b.Resent, FramesIn: a.FramesIn + b.FramesIn, Receives: a.Receives + b.Receives,
		MessagesIn: a.MessagesIn + b.MessagesIn, PacketsIn: a.PacketsIn + b.PacketsIn, Written: a.Written + b.Written,
		Misdirected: a.Misdirected + b.Misdirected, Spins: a.Spins + b.Spins, Waits: a.Waits + b.Waits,
	}
}

func queues(device tun.Counted, c tun.Counters) *api.Queues {
	q := &api.Queues{
		SuperpacketsRead: c.Read.Superpackets, SegmentsRead: c.Read.Segments,
		Cut: c.Written.Cut, Refused: c.Written.Refused, Copied: c.Written.Copied,
	}
	if drops, err := device.KernelDrops(); err == nil {
		q.KernelDrops = &drops
	}
	return q
}

// total adds up the counters of two devices, as far as status shows them.
func total(a, b tun.Counters) tun.Counters {
	return tun.Counters{
		Read: tun.ReadCounters{
			Superpackets: a.Read.Superpackets + b.Read.Superpackets, Segments: a.Read.Segments + b.Read.Segments,
		},
		Written: tun.WriteCounters{
			Cut: a.Written.Cut + b.Written.Cut, Refused: a.Written.Refused + b.Written.Refused,
			Copied: a.Written.Copied + b.Written.Copied,
		},
	}
}

// ratio is a/b; 0 if there is no b.
func ratio(a, b uint64) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}
