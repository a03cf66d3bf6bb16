package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/config"
)

func newPeersForget() *cobra.Command {
	var socket string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "forget NAME",
		Short: "Have all nodes forget a peer that is away, and free its subnets",
		Long: "Have all nodes forget a peer that is away, by its name or the first digits of its fingerprint: its subnets are free at once, and\n" +
			"nobody calls it any more. Otherwise that happens when its lease ends. A peer that is there is not forgotten, and one that comes\n" +
			"back is welcome: to shut it out, use 'weft peers revoke'.",
		Example: "  weft peers forget vm-3\n  weft peers forget vm-3 --json",
		Args:    cobra.ExactArgs(1),

		ValidArgsFunction: completePeer,
	}
	cmd.Flags().StringVar(&socket, "socket", config.DefaultSocket, "control socket of the daemon")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		done, err := api.NewClient(socket).ForgetPeer(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		if asJSON {
			enc := json.NewEncoder(cmd.OutOrStdout())
			enc.SetIndent("", "  ")
			return enc.Encode(done)
		}
		free := config.Joined(done.Subnets)
		if free == "" {
			free = "nothing"
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s (key %s) is forgotten; free: %s\n", done.Name, done.ID, free)
		return err
	}
	return cmd
}
