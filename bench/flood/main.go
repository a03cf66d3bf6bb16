package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// options say what to measure.
type options struct {
	binary string
	rates  []int // of the floods, frames in a second
	mbit   int   // that a sends to b; 0: nothing
	rounds int   // pairs of windows for each rate
	window time.Duration
}

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM)
	defer cancel()
	o, err := parse(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// parse reads the arguments.
func parse(args []string) (o options, err error) {
	f := flag.NewFlagSet("flood", flag.ContinueOnError)
	f.StringVar(&o.binary, "binary", "bin/weft", "weft's executable")
	f.IntVar(&o.mbit, "mbit", 1000, "rate of the TCP stream from a to b, in Mbit/s; 0: none, which shows best what a frame costs")
	f.IntVar(&o.rounds, "rounds", 3, "pairs of windows, without and with the flood, for each rate")
	f.DurationVar(&o.window, "window", 3*time.Second, "length of a window, in whole seconds")
	rates := f.String("rates", "30000,100000", "frames of the floods in a second")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	for text := range strings.SplitSeq(*rates, ",") {
		rate, err := strconv.Atoi(text)
		if err != nil || rate < 1000 || rate > 1e6 {
			return o, fmt.Errorf("flood: --rates: %q is no rate from 1000 to 1000000", text)
		}
		o.rates = append(o.rates, rate)
	}
	if o.mbit < 0 || o.rounds < 1 || o.window < time.Second || o.window%time.Second != 0 {
		return o, fmt.Errorf("flood: --mbit %d, --rounds %d, --window %v: want at least 0, 1 and whole seconds", o.mbit, o.rounds, o.window)
	}
	return o, nil
}

// run measures all rates and prints a line for each window, and one with the medians for each rate.
func run(ctx context.Context, o options) (err error) {
	s, err := newScene(ctx, o)
	if err != nil {
		return err
	}
	defer func() {
		if closing := s.Close(); err == nil {
			err = closing
		}
	}()
	for _, rate := range o.rates {
		pairs, err := s.measure(ctx, rate)
		if err != nil {
			return err
		}
		fmt.Println(summary(rate, pairs))
	}
	return nil
}
