package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/node/doctor"
)

func newDoctor() *cobra.Command {
	var o doctor.Options
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Look for what keeps weft from running well on this machine, and say what mends it",
		Long: "Look for what keeps weft from running, from being reached, or from being fast, on this machine, and say what mends it. It\n" +
			"works with and without a running daemon, and changes nothing. With --peer, that peer calls this node at the addresses that\n" +
			"it says it has, from ports that no firewall on the way knows yet. Exit code 1: something must be mended before weft can run.",
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringVar(&o.Socket, "socket", "", "control socket of the daemon (default: in run_dir of the configuration)")
	cmd.Flags().StringVar(&o.Device, "device", config.DefaultDevice, "name of the overlay device, where neither a daemon nor a configuration names it")
	cmd.Flags().StringVarP(&o.Config, "config", "c", config.DefaultConfigFile, "configuration file")
	cmd.Flags().StringVar(&o.Peer, "peer", "", "have the peer of that name, or whose id begins so, call this node")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		r := doctor.Examine(doctor.Look(cmd.Context(), o))
		if err := printReport(cmd.OutOrStdout(), r, asJSON); err != nil {
			return fmt.Errorf("print: %w", err)
		}
		if n := r.Count(doctor.Fail); n > 0 {
			return fmt.Errorf("%d of %d checks failed", n, len(r.Checks))
		}
		return nil
	}
	return cmd
}

func printReport(w io.Writer, r *doctor.Report, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(r)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range r.Checks {
		fmt.Fprintf(t, "%s\t%s\t%s\n", c.Finding, c.Name, c.Detail)
		if c.Remedy != "" {
			fmt.Fprintf(t, "\t\t  remedy: %s\n", c.Remedy)
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%d ok, %s, %d failed. Note: %s.\n",
		r.Count(doctor.OK), counted(uint64(r.Count(doctor.Warn)), "warning"), r.Count(doctor.Fail), r.Daemon)
	return err
}
