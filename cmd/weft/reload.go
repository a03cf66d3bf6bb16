package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/config"
)

func newReload() *cobra.Command {
	var socket string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "Make the running node read its configuration again",
		Long: "Make the running node read its configuration again: the file that it was started with, and the flags over it. What a\n" +
			"running node can change is in force when the command returns; what needs a restart is named, and shown by 'weft status'\n" +
			"until the restart or until it was put back. A configuration that is wrong changes nothing, and the exit code is 2.\n" +
			"A hangup (SIGHUP) does the same; its outcome is in log and status.",
		Example: "  weft reload\n  weft up --check && weft reload",
		Args:    cobra.NoArgs,
	}
	cmd.Flags().StringVar(&socket, "socket", config.DefaultSocket, "control socket of the daemon")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		done, err := api.NewClient(socket).Reload(cmd.Context())
		if err != nil {
			return err
		}
		if asJSON {
			enc := json.NewEncoder(cmd.OutOrStdout())
			enc.SetIndent("", "  ")
			return enc.Encode(done)
		}
		return printReload(cmd.OutOrStdout(), done)
	}
	return cmd
}

func printReload(w io.Writer, done *api.Reload) error {
	lines := ""
	if len(done.Changed) > 0 {
		lines += "changed: " + api.Changes(done.Changed) + "\n"
	}
	if len(done.Waiting) > 0 {
		lines += "needs a restart: " + api.Changes(done.Waiting) + "\n"
	}
	if lines == "" {
		lines = "nothing has changed\n"
	}
	_, err := fmt.Fprint(w, lines)
	return err
}
