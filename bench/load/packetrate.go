package load

import (
	"context"
	"errors"
	"time"
)

// PacketRateOptions say how to search.
type PacketRateOptions struct {
	Payload int           // bytes of UDP payload of each datagram, 16 to 65507
	Trial   time.Duration // of sending at one rate
	Trials  int           // at most so many rates are tried
	MaxLoss float64       // the share that may be lost, above 0 and below 1; 0: 0.01
	Limit   float64       // packets/s; no trial is faster; 0: as fast as the sender can
}

// PacketRateResult is the highest rate that passed.
type PacketRateResult struct {
	PPS         float64 // packets/s that arrived
	Loss        float64 // share of the packets sent in that trial, 0 to 1
	Offered     float64 // packets/s that were sent in that trial
	Trials      []Trial // in the order in which they were made
	SenderBound bool    // the fastest that the sender can (or Limit) passed: the path may take more
}

// Trial is one rate.
type Trial struct {
	Asked      float64 // packets/s; 0: as fast as the sender can
	Offered    float64 // packets/s that were really sent
	Arrived    float64 // packets/s: Received in the time of sending
	Sent       uint64
	Received   uint64 // each once
	Duplicates uint64
	Overflow   uint64  // of what was lost: dropped by the far socket's buffer
	Loss       float64 // 1 - Received/Sent
}

// PacketRate looks for the highest rate of UDP datagrams.
func PacketRate(ctx context.Context, place Place, far Far, o PacketRateOptions) (PacketRateResult, error) {
	return PacketRateResult{}, errors.ErrUnsupported
}
