package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weftnet/weft/lab/attack"
)

// window is what one transfer shows.
type window struct {
	goodput float64       // bit/s that the receiver took
	cpu     time.Duration // of the router of b
	length  time.Duration
	sent    uint64 // frames of the flood
	lost    uint64 // datagrams that found a buffer of b's port full
}

// pair is a window without a flood and one with it, next to each other.
type pair struct{ quiet, flooded window }

// kept is which part of the traffic is kept under the flood; of none, all.
func (p pair) kept() float64 {
	if p.quiet.goodput == 0 {
		return 1
	}
	return p.flooded.goodput / p.quiet.goodput
}

// perFrame is what a frame of the flood costs b's router.
func (p pair) perFrame() time.Duration {
	quiet := float64(p.quiet.cpu) * float64(p.flooded.length) / float64(p.quiet.length)
	return time.Duration((float64(p.flooded.cpu) - quiet) / float64(max(1, p.flooded.sent)))
}

// measure makes pairs of windows.
func (s *scene) measure(ctx context.Context, rate int) (pairs []pair, err error) {
	for i := range s.rounds {
		var p pair
		if p.quiet, err = s.observe(ctx, 0); err != nil {
			return nil, err
		}
		if p.flooded, err = s.observe(ctx, rate); err != nil {
			return nil, err
		}
		pairs = append(pairs, p)
		fmt.Printf("rate=%d round=%d quiet=%.0fMbit/s flooded=%.0fMbit/s kept=%.3f cpu=%.3fcores/%.3fcores sent=%.0f/s lost=%d per-frame=%.2fus\n",
			rate, i+1, p.quiet.goodput/1e6, p.flooded.goodput/1e6, p.kept(), p.quiet.cores(), p.flooded.cores(),
			float64(p.flooded.sent)/p.flooded.length.Seconds(), p.flooded.lost, float64(p.perFrame())/1e3)
	}
	return pairs, nil
}

func (w window) cores() float64 { return w.cpu.Seconds() / w.length.Seconds() }

// observe makes one transfer, under a flood of that rate if it is not 0.
func (s *scene) observe(ctx context.Context, rate int) (w window, err error) {
	var flood *attack.Flood
	if rate > 0 {
		flood = s.wire.Flood(s.frames, rate)
	}
	_, lost, err := attack.Backlog(s.to, port)
	if err != nil {
		return w, err
	}
	before, err := processorTime(s.to.Daemon().PID())
	if err != nil {
		return w, err
	}
	began := time.Now()
	w.goodput, err = s.transfer(ctx)
	w.length = time.Since(began)
	if flood != nil {
		sent, failed := flood.End()
		if w.sent = sent; err == nil {
			err = failed
		}
	}
	if err != nil {
		return w, fmt.Errorf("flood: %w", err)
	}
	after, err := processorTime(s.to.Daemon().PID())
	if err != nil {
		return w, err
	}
	w.cpu = after - before
	_, now, err := attack.Backlog(s.to, port)
	w.lost = now - lost
	return w, err
}

// processorTime is what the threads of a process have used so far: the first number of each one's schedstat, in nanoseconds
// (Documentation/scheduler/sched-stats.rst). Go's threads do not end.
func processorTime(pid int) (total time.Duration, err error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(files) == 0 {
		return 0, fmt.Errorf("flood: process %d has no threads: %w", pid, err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			return 0, fmt.Errorf("flood: processor time: %w", err)
		}
		first, _, _ := strings.Cut(string(raw), " ")
		ns, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("flood: processor time: %s: %w", file, err)
		}
		total += time.Duration(ns)
	}
	return total, nil
}

// summary is the line of one rate: medians over its pairs.
func summary(rate int, pairs []pair) string {
	kept, cost := make([]float64, len(pairs)), make([]float64, len(pairs))
	for i, p := range pairs {
		kept[i], cost[i] = p.kept(), float64(p.perFrame())/1e3
	}
	return fmt.Sprintf("flood rate=%d kept=%.3f per-frame=%.2fus (medians of %d; targets: kept >= 0.9, per-frame <= 3us)",
		rate, median(kept), median(cost), len(pairs))
}

// median sorts list.
func median(list []float64) float64 {
	slices.Sort(list)
	if n := len(list); n%2 == 0 {
		return (list[n/2-1] + list[n/2]) / 2
	}
	return list[len(list)/2]
}
