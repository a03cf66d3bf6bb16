package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/config"
)

// newStatus, newPeers and newRoutes print the daemon's state, as tables or as JSON.
func newStatus() *cobra.Command {
	var fastPath bool
	cmd := query("status", "Show the node, its peers and what is not as it should be",
		func(cmd *cobra.Command, c *api.Client) (*api.Status, error) { return c.Status(cmd.Context()) },
		func(w io.Writer, s *api.Status) error {
			if fastPath {
				return printFastPath(w, &s.Node)
			}
			return printStatus(w, s)
		})
	cmd.Example += "\n  weft status --fastpath"
	cmd.Flags().BoolVar(&fastPath, "fastpath", false, "say how packets move: what is on, what is not and why, and how well it does")
	return cmd
}

func newPeers() *cobra.Command {
	cmd := query("peers", "Show the peers: how each is reached, and how it sees us",
		func(cmd *cobra.Command, c *api.Client) ([]api.Peer, error) { return c.Peers(cmd.Context()) }, printPeers)
	cmd.AddCommand(newPeersRevoke(), newPeersForget())
	return cmd
}

func newRoutes() *cobra.Command {
	return query("routes", "Show the prefixes of the overlay and who owns them",
		func(cmd *cobra.Command, c *api.Client) ([]api.Route, error) { return c.Routes(cmd.Context()) }, printRoutes)
}

func query[T any](use, short string, ask func(*cobra.Command, *api.Client) (T, error), print func(io.Writer, T) error) *cobra.Command {
	var socket string
	var asJSON bool
	cmd := &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs, Example: fmt.Sprintf("  weft %s\n  weft %s --json", use, use)}
	cmd.Flags().StringVar(&socket, "socket", config.DefaultSocket, "control socket of the daemon")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		value, err := ask(cmd, api.NewClient(socket))
		if err != nil {
			return err
		}
		if asJSON {
			enc := json.NewEncoder(cmd.OutOrStdout())
			enc.SetIndent("", "  ")
			return enc.Encode(value)
		}
		if err := print(cmd.OutOrStdout(), value); err != nil {
			return fmt.Errorf("print: %w", err)
		}
		return nil
	}
	return cmd
}
