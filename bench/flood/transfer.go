package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// iperfReport is what is needed of the output of iperf3 -J.
type iperfReport struct {
	Error string `json:"error"`
	End   struct {
		Received struct {
			Rate float64 `json:"bits_per_second"`
		} `json:"sum_received"`
	} `json:"end"`
}

// rest lets the time of a window pass.
func (s *scene) rest(ctx context.Context) error {
	select {
	case <-time.After(s.window):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// iperfPort is where the server of the first transfer listens; each has a port of its own.
const iperfPort = 5201

// transfer sends TCP from a to b, and returns the rate that arrived in bit/s; without a rate it lets the time of a window pass.
func (s *scene) transfer(ctx context.Context) (float64, error) {
	if s.mbit == 0 {
		return 0, s.rest(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, s.window+15*time.Second)
	defer cancel()
	at := strconv.Itoa(iperfPort + s.transfers)
	s.transfers++
	server, err := s.to.Start("iperf3", "-s", "-1", "-B", s.addr.String(), "-p", at)
	if err != nil {
		return 0, err
	}
	defer server.Kill()
	args := []string{
		"iperf3", "-J", "-i", "0", "-c", s.addr.String(), "-p", at, "-b", fmt.Sprint(s.mbit, "M"),
		"-t", strconv.Itoa(int(s.window.Seconds())),
	}
	for {
		out, failed := s.from.Run(ctx, args...)
		var r iperfReport
		if err := json.Unmarshal([]byte(out), &r); err != nil {
			return 0, fmt.Errorf("read the report of iperf3: %w, after %w", err, failed)
		}
		switch refused := strings.Contains(r.Error, "refused"); { // the server takes a moment to listen
		case refused && ctx.Err() == nil:
		case failed != nil || r.Error != "" || r.End.Received.Rate == 0:
			return 0, fmt.Errorf("iperf3: nothing arrived: %s (%v)", r.Error, failed)
		default:
			return r.End.Received.Rate, nil
		}
	}
}
