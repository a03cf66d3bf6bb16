package metrics

import (
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/router"
)

// trafficFamilies count what the node has moved, and what was lost on the way.
var trafficFamilies = []*Family{
	counter("weft_packets_total", "Packets that port (out) or device (in) took, superpackets by their segments.",
		ways(func(s *api.Status) (out, in uint64) { return s.Node.Sent.Packets, s.Node.Received.Packets }), "direction"),
	counter("weft_bytes_total", "Bytes of these packets, from the inner IP header on.",
		ways(func(s *api.Status) (out, in uint64) { return s.Node.Sent.Bytes, s.Node.Received.Bytes }), "direction"),
	counter("weft_relayed_frames_total", "Frames of other nodes that were sent on to others.",
		one(func(s *api.Status) uint64 { return s.Node.Relayed.Packets })),
	counter("weft_relayed_bytes_total", "Bytes of these frames, from weft's header on.",
		one(func(s *api.Status) uint64 { return s.Node.Relayed.Bytes })),
	counter("weft_split_packets_total", "Packets whose frames were too long for the path, as far as it was known, and travelled in parts.",
		ways(func(s *api.Status) (out, in uint64) { return s.Node.Split.Out, s.Node.Split.In }), "direction"),
	counter("weft_drops_total", "Packets and frames that were not delivered, by the reason; every reason is there from the start.",
		collectDrops, "direction", "reason"),
	counter("weft_superpackets_total", "Packets as the device handed them over (out) and took them (in): superpackets, and single packets as one of one segment.",
		ways(superpackets), "direction"),
	counter("weft_segments_total", "Segments in these superpackets. Divided by weft_superpackets_total: segments in a superpacket.",
		ways(segments), "direction"),
	counter("weft_superpackets_cut_total", "Superpackets cut before they were written to the device, because their kind is not joined; no series where the driver does not count.",
		ofQueues(func(q *api.Queues) uint64 { return q.Cut })),
	counter("weft_superpackets_refused_total", "Superpackets that the kernel refused whole, and that were cut then; no series where the driver does not count.",
		ofQueues(func(q *api.Queues) uint64 { return q.Refused })),
	counter("weft_superpackets_copied_total", "Superpackets whose payload was copied to be written; no series where the driver does not count.",
		ofQueues(func(q *api.Queues) uint64 { return q.Copied })),
	counter("weft_device_queue_drops_total", "Packets that the kernel dropped because a queue of the device was full or closed, since the interface was made; no series where that is not known.",
		collectQueueDrops),
	gauge("weft_device_mtu_bytes", "MTU of the overlay device.", one(func(s *api.Status) int { return s.Node.Device.MTU })),
	counter("weft_socket_overflow_total", "Datagrams that the kernel dropped because the port's receive buffer was full.",
		one(func(s *api.Status) uint64 { return s.Node.Socket.Overflow })),
	gauge("weft_socket_buffer_bytes", "Buffers of the port's sockets, as granted: for sending (out) and receiving (in).",
		ways(func(s *api.Status) (out, in uint64) {
			return uint64(s.Node.Socket.SendBuffer), uint64(s.Node.Socket.ReceiveBuffer)
		}), "direction"),
}

func collectDrops(s *api.Status, e emit) {
	for _, reason := range router.Reasons() {
		direction := directionIn
		if reason.Outbound() {
			direction = directionOut
		}
		e(float64(s.Node.Drops[reason.String()]), direction, reason.String())
	}
}

// superpackets are what the device gave and took. A driver that does not count gives single packets.
func superpackets(s *api.Status) (out, in uint64) {
	if q := s.Node.FastPath.Queue; q != nil {
		return q.SuperpacketsRead, s.Node.FastPath.Written
	}
	return s.Node.FastPath.PacketsOut, s.Node.FastPath.Written
}

func segments(s *api.Status) (out, in uint64) {
	if q := s.Node.FastPath.Queue; q != nil {
		return q.SegmentsRead, s.Node.FastPath.PacketsIn
	}
	return s.Node.FastPath.PacketsOut, s.Node.FastPath.PacketsIn
}

func ofQueues(value func(*api.Queues) uint64) func(*api.Status, emit) {
	return func(s *api.Status, e emit) {
		if q := s.Node.FastPath.Queue; q != nil {
			e(float64(value(q)))
		}
	}
}

func collectQueueDrops(s *api.Status, e emit) {
	if q := s.Node.FastPath.Queue; q != nil && q.KernelDrops != nil {
		e(float64(*q.KernelDrops))
	}
}
