package metrics

import (
	"strconv"

	"github.com/weftnet/weft/node/api"
)

// laneFamilies say what each lane's work costs. There are at most 64 lanes.
var laneFamilies = []*Family{
	gauge("weft_lanes", "Lanes in force.", one(func(s *api.Status) int { return s.Node.FastPath.Lanes })),
	counter("weft_lane_frames_total", "Frames of data that a lane sent (out), and of data and control that it received (in).",
		laneWays(func(l *api.Lane) (out, in uint64) { return l.PacketsOut, l.FramesIn }), "lane", "direction"),
	counter("weft_lane_calls_total", "System calls that sent something (out), and drains of the sockets that brought something (in). weft_lane_frames_total divided by it: frames in a call.",
		laneWays(func(l *api.Lane) (out, in uint64) { return l.SendCalls, l.Receives }), "lane", "direction"),
	counter("weft_lane_messages_total", "Datagrams and trains of datagrams that the kernel took (out) or gave (in) in one piece.",
		laneWays(func(l *api.Lane) (out, in uint64) { return l.MessagesOut, l.MessagesIn }), "lane", "direction"),
	counter("weft_lane_frames_resent_total", "Frames sent one by one after the kernel had refused their train.",
		ofLanes(func(l *api.Lane) uint64 { return l.Resent }), "lane"),
	counter("weft_lane_frames_misdirected_total", "Frames that came to another lane than their own, and were carried over.",
		ofLanes(func(l *api.Lane) uint64 { return l.Misdirected }), "lane"),
	counter("weft_lane_spins_total", "Looks in vain before a wait.", ofLanes(func(l *api.Lane) uint64 { return l.Spins }), "lane"),
	counter("weft_lane_waits_total", "Waits for the device or the port.", ofLanes(func(l *api.Lane) uint64 { return l.Waits }), "lane"),
}

func ofLanes(value func(*api.Lane) uint64) func(*api.Status, emit) {
	return func(s *api.Status, e emit) {
		for _, l := range s.Node.FastPath.PerLane {
			e(float64(value(&l)), strconv.Itoa(l.Lane))
		}
	}
}

func laneWays(counts func(*api.Lane) (out, in uint64)) func(*api.Status, emit) {
	return func(s *api.Status, e emit) {
		for _, l := range s.Node.FastPath.PerLane {
			out, in := counts(&l)
			e(float64(out), strconv.Itoa(l.Lane), directionOut)
			e(float64(in), strconv.Itoa(l.Lane), directionIn)
		}
	}
}
