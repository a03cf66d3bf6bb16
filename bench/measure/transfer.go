package measure

import (
	"encoding/json"
	"errors"
	"fmt"
)

// transfer is what iperf3 says of a transfer. Bytes and rates are of payload, at the receivers.
type transfer struct {
	Bytes       uint64  // of both directions
	Up, Down    float64 // bit/s
	Retransmits uint64  // segments that the senders sent again, of both directions
}

// rate is bit/s, of both directions.
func (t transfer) rate() float64 { return t.Up + t.Down }

// iperfReport is the part of iperf3's JSON that is used.
type iperfReport struct {
	Error string `json:"error"`
	End   struct {
		Sent     *iperfSum `json:"sum_sent"`
		Received *iperfSum `json:"sum_received"`
		// Of the other direction, with --bidir.
		ReverseSent     *iperfSum `json:"sum_sent_bidir_reverse"`
		ReverseReceived *iperfSum `json:"sum_received_bidir_reverse"`
	} `json:"end"`
}

// iperfSum sums up the streams of one direction at one end.
type iperfSum struct {
	Bytes       uint64  `json:"bytes"`
	Bits        float64 `json:"bits_per_second"`
	Retransmits uint64  `json:"retransmits"`
}

// parseTransfer reads the JSON that iperf3's client writes. A transfer without bytes is an error: it was none.
func parseTransfer(raw []byte, both bool) (transfer, error) {
	var r iperfReport
	if err := json.Unmarshal(raw, &r); err != nil {
		return transfer{}, fmt.Errorf("output of iperf3: %w", err)
	}
	if r.Error != "" {
		return transfer{}, errors.New(r.Error)
	}
	var t transfer
	var err error
	if t.Up, err = t.add("sum", r.End.Sent, r.End.Received); err != nil || !both {
		return t, err
	}
	t.Down, err = t.add("sum of the other direction", r.End.ReverseSent, r.End.ReverseReceived)
	return t, err
}

// add takes one direction in and returns its rate.
func (t *transfer) add(name string, sent, received *iperfSum) (bits float64, err error) {
	if sent == nil || received == nil {
		return 0, fmt.Errorf("output of iperf3: there is no %s", name)
	}
	if received.Bytes == 0 || received.Bits <= 0 {
		return 0, fmt.Errorf("output of iperf3: the %s is zero: nothing arrived", name)
	}
	t.Bytes += received.Bytes
	t.Retransmits += sent.Retransmits
	return received.Bits, nil
}
