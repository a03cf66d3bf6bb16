package main

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/bench"
	"github.com/weftnet/weft/bench/between"
	"github.com/weftnet/weft/node/config"
)

// addBetween adds the flags of measuring between two machines.
func (f *benchFlags) addBetween(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVar(&f.serve, "serve", false, "be the far end for --between of another machine")
	flags.StringVar(&f.between.Address, "between", "", "measure to the machine where 'weft bench --serve' runs: PEER or PEER:PORT")
	flags.DurationVar(&f.between.Duration, "duration", between.DefaultDuration, "with --between: of one TCP transfer")
	flags.StringVar(&f.server.Listen, "listen", between.DefaultListen, "with --serve: address and port")
	flags.StringSliceVar(&f.allow, "allow", nil, "with --serve: prefixes that may measure besides the peers' own addresses; those of pods, too")
	flags.DurationVar(&f.server.MaxTime, "max-time", between.DefaultMaxTime, "with --serve: of one run")
	flags.StringVar(&f.maxRate, "max-rate", "", "with --serve: of one run, in bit/s: 100M, 1G (default: unlimited)")
	flags.StringVar(&f.server.Socket, "socket", config.DefaultSocket, "with --serve and --between: control socket of the daemon")
}

// runServe is the far end.
func (f *benchFlags) runServe(cmd *cobra.Command) error {
	o := f.server
	if o.MaxTime <= 0 {
		return usageError{fmt.Errorf("--max-time %s: want more than none", o.MaxTime)}
	}
	for _, text := range f.allow {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return usageError{fmt.Errorf("--allow %q: want a prefix such as 192.0.2.0/24", text)}
		}
		o.Allow = append(o.Allow, p)
	}
	var err error
	if o.MaxRate, err = parseRate("max-rate", f.maxRate, 1e6, 1e12); err != nil {
		return err
	}
	o.Out = cmd.OutOrStdout()
	return between.Serve(cmd.Context(), o)
}

// runBetween measures between this machine and another.
func (f *benchFlags) runBetween(cmd *cobra.Command) error {
	o := f.between
	if f.out != "" {
		if err := bench.MayWrite(f.out); err != nil {
			return err
		}
	}
	o.Socket, o.Rounds, o.MTU, o.Out = f.server.Socket, f.rounds, f.mtu, cmd.ErrOrStderr()
	r, err := between.Run(cmd.Context(), o)
	if r == nil {
		return err
	}
	if printed := between.Table(cmd.OutOrStdout(), r); printed != nil {
		return errors.Join(err, printed)
	}
	if f.out == "" {
		return err
	}
	if written := between.Write(f.out, r); written != nil {
		return errors.Join(err, written)
	}
	_, said := fmt.Fprintf(cmd.OutOrStdout(), "\nThe report: %s\n", filepath.Join(f.out, between.FileName))
	return errors.Join(err, said)
}
