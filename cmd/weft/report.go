package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/node/bundle"
	"github.com/weftnet/weft/node/config"
)

func newReport() *cobra.Command {
	var o bundle.Options
	var out string
	cmd := &cobra.Command{
		Use:   "report",
		Short: "Write one archive with everything that a maintainer needs, and no key",
		Long: "Write one archive (.tar.gz) with what a maintainer needs to understand what is wrong: what weft and the kernel say of\n" +
			"themselves, and what 'weft doctor' finds. Keys, secrets and tokens are taken out of it; addresses and names are in it.\n" +
			"contents.txt lists what it holds, and what could not be had. It works with and without a running daemon.",
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringVar(&o.Look.Socket, "socket", "", "control socket of the daemon (default: in run_dir of the configuration)")
	cmd.Flags().StringVarP(&o.Look.Config, "config", "c", config.DefaultConfigFile, "configuration file")
	cmd.Flags().StringVarP(&out, "out", "o", "", "file to write, or - for standard output (default weft-report-HOST-TIME.tar.gz)")
	o.Look.Device = config.DefaultDevice
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		host, err := os.Hostname()
		if err != nil {
			host = "host"
		}
		o.Time = time.Now()
		o.Name = bundle.Name(host, o.Time)
		if out == "-" {
			return reportTo(cmd, o)
		}
		if out == "" {
			out = o.Name + ".tar.gz"
		}
		if err := bundle.WriteFile(cmd.Context(), out, o); err != nil {
			return err
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), out)
		return err
	}
	return cmd
}

// reportTo writes the archive to standard output, unless that is a terminal.
func reportTo(cmd *cobra.Command, o bundle.Options) error {
	if isTerminal(cmd.OutOrStdout()) {
		return usageError{errors.New("--out -: the archive is not for a terminal: redirect it, or name a file")}
	}
	return bundle.Write(cmd.Context(), cmd.OutOrStdout(), o)
}
