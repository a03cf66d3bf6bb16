package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/weftnet/weft/node/api"
)

// fastNode is a node on which everything is on and packets flow.
func fastNode() api.Node {
	drops := uint64(1)
	on := func(names ...string) (list []api.Feature) {
		for _, name := range names {
			list = append(list, api.Feature{Name: name, State: "on"})
		}
		return list
	}
	return api.Node{
		Started: time.Now().Add(-90 * time.Minute),
		Device:  api.Device{Name: "weft0", Driver: "super", Why: "auto: the fastest that this kernel offers", Features: on("tso", "uso")},
		Socket:  api.Socket{Port: 9338, ReceiveBuffer: 8 << 20, SendBuffer: 4 << 20, Features: on("gso", "gro", "ecn")},
		FastPath: api.FastPath{
			Lanes: 2, LanesWhy: "auto: 4 CPUs", Polled: true, Spin: 50, SpinWhy: "4 CPUs and no quota", Partial: on("partial")[0],
			SegmentsPerSuperpacketOut: 40.25, SegmentsPerSuperpacketIn: 1, FramesPerCallOut: 43, FramesPerCallIn: 7.5,
			LaneTotals: api.LaneTotals{PacketsOut: 430, SendCalls: 10, FramesIn: 15, Receives: 2, Spins: 1, Waits: 5},
			Queue:      &api.Queues{KernelDrops: &drops},
		},
	}
}

// slowNode is a node on which little works.
func slowNode() api.Node {
	n := fastNode()
	n.Device = api.Device{Name: "weft0", Driver: "batch", Why: "auto: driver super does not work here: no", Features: []api.Feature{
		{Name: "tso", State: "on"}, {Name: "uso", State: "unavailable", Reason: "not supported by this kernel (Linux 6.2 has it)"},
	}}
	n.Socket.Features = []api.Feature{{Name: "gso", State: "off", Reason: "it is configured off"}}
	n.Socket.Overflow, n.Drops = 3, map[string]uint64{"unreadable": 2}
	n.FastPath = api.FastPath{
		Lanes: 1, LanesWhy: "auto: 4 CPUs, of which a cgroup grants 3.5", LanesLack: "driver batch gave 1 queue",
		SpinWhy: "a cgroup limits the CPU time", Partial: api.Feature{Name: "partial", State: "off", Reason: "configured"},
		Refused:          []api.Note{{What: "vm-2", Reason: "the kernel refused a train of frames to 192.0.2.2:9338"}},
		FramesPerCallOut: 1, LaneTotals: api.LaneTotals{PacketsOut: 1, SendCalls: 1, Resent: 12, Misdirected: 1},
		Queue: &api.Queues{Cut: 4, Refused: 5, Copied: 6},
	}
	return n
}

func TestTheFastPathReadsLikeSentences(t *testing.T) {
	for name, test := range map[string]struct {
		node api.Node
		want string
	}{
		"fast": {fastNode(), `What is on
  Packets move through weft0 by driver super (auto: the fastest that this kernel offers).
  There are 2 lanes (auto: 4 CPUs); in each, one loop serves the device and the port.
  Each lane's sockets have buffers of 8.0 MiB in and 4.0 MiB out.
  On at weft0: tso, uso.
  On at UDP port 9338: gso, gro, ecn.
  A lane that found nothing looks again up to 50 times before it waits (4 CPUs and no quota).
  Checksums of inner packets are left partial: nobody computes what the frame protects.

What is not
  Nothing.

How it does, since the start 1h30m ago
  Out: 430 frames in 10 send calls, 43.0 in each; a superpacket that was read had 40.2 segments.
  In: 15 frames in 2 receives, 7.5 in each; a superpacket that was written had 1.0 segments.
  Lanes looked in vain 1 time and waited 5 times.
  The kernel dropped 0 datagrams because a receive buffer was full, and 1 packet because a queue of weft0 was full or closed (since that was made).
`},
		"slow": {slowNode(), `What is on
  Packets move through weft0 by driver batch (auto: driver super does not work here: no).
  There is 1 lane (auto: 4 CPUs, of which a cgroup grants 3.5); one loop reads the device and another one the port.
  Each lane's sockets have buffers of 8.0 MiB in and 4.0 MiB out.
  On at weft0: tso.

What is not
  There are fewer lanes than wanted: driver batch gave 1 queue.
  At weft0, uso is unavailable: not supported by this kernel (Linux 6.2 has it).
  At UDP port 9338, gso is off: it is configured off.
  Frames to vm-2 go one by one: the kernel refused a train of frames to 192.0.2.2:9338.
  A lane that found nothing waits at once: a cgroup limits the CPU time.
  Checksums of inner packets are not left partial: configured.

How it does, since the start 1h30m ago
  Out: 1 frame in 1 send call, 1.0 in each.
  In: nothing yet.
  Lanes looked in vain 0 times and waited 0 times.
  Frames that went one by one, after the kernel had refused their train: 12.
  Frames that came to another lane than their own, and were carried over: 1.
  Of superpackets written, 4 were cut, 5 were cut after the kernel had refused them, 6 were copied.
  The kernel dropped 3 datagrams because a receive buffer was full; 2 packets could not be understood.
`},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if err := printFastPath(&out, &test.node); err != nil || out.String() != test.want {
				t.Errorf("%v, printed\n%s\nwant\n%s", err, out.String(), test.want)
			}
		})
	}
}
