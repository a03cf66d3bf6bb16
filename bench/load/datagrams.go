package load

import (
	"context"
	"time"
)

// DatagramsOptions say what to send.
type DatagramsOptions struct {
	Payload  int           // bytes of UDP payload of each datagram, 18 to 65507
	Train    int           // datagrams that one send is made of, 1 to 64; 0: 1
	Rate     float64       // datagrams/s; 0: as fast as the sender can
	Duration time.Duration // of sending
}

// Datagrams sends numbered datagrams, as QUIC does, and compares all bytes of those that arrive. What is lost or damaged is a
// result and no error; a path that carries nothing is an error.
func Datagrams(ctx context.Context, place Place, far Far, o DatagramsOptions) (Trial, error) {
	rate := PacketRateOptions{Payload: o.Payload, Train: max(o.Train, 1), Trial: o.Duration, Limit: o.Rate}
	rate, err := rate.withDefaults()
	if err != nil {
		return Trial{}, err
	}
	if _, err := reach(ctx, place, far, o.Payload); err != nil {
		return Trial{}, err
	}
	return trial(ctx, place, far, rate, o.Rate)
}
