package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/config"
)

func newSecretRotate() *cobra.Command {
	var socket string
	var without []string
	var status, asJSON bool
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Lead the cluster one step on to another secret, and show which node holds what",
		Long: "Lead the cluster one step on to another secret, and show which node holds what. There are three steps: all nodes take a\n" +
			"new secret beside the old one; all speak under it; all drop the old one. Each call is one step, on any node, and does\n" +
			"nothing before all nodes have done the one before; a call that was not followed by all is repeated. No packet is lost.\n" +
			"The new secret travels in sealed sessions alone, and each node writes it to its secret_file. All nodes that have a claim\n" +
			"count, also those that are away: --without leaves one out, which is then not given the secret. The exit code is 1 while\n" +
			"not all nodes follow. If the secret was stolen, look first that 'weft peers' shows no node that is not yours.",
		Example: "  weft secret rotate\n  weft secret rotate --status\n  weft secret rotate --without vm-3",
		Args:    cobra.NoArgs,
	}
	cmd.Flags().StringVar(&socket, "socket", config.DefaultSocket, "control socket of the daemon")
	cmd.Flags().StringSliceVar(&without, "without", nil, "nodes that are left out: names, or beginnings of ids")
	cmd.Flags().BoolVar(&status, "status", false, "change nothing, and show how far it is")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	completeFlag(cmd, "without", completePeer)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client := api.NewClient(socket)
		if status {
			if len(without) > 0 {
				return usageError{errors.New("--without is for a step, not for --status")}
			}
			r, err := client.Rotation(cmd.Context())
			if err != nil {
				return err
			}
			return printRotation(cmd.OutOrStdout(), r, asJSON)
		}
		r, err := client.Rotate(cmd.Context(), without)
		if err != nil {
			return err
		}
		if err := printRotation(cmd.OutOrStdout(), r, asJSON); err != nil || r.Done {
			return err
		}
		return stragglers(r)
	}
	return cmd
}

// stragglers is the error of a step that not all nodes follow.
func stragglers(r *api.Rotation) error {
	var names []string
	for _, n := range r.Nodes {
		if n.State != api.RotationFollows && n.State != api.RotationLeft {
			names = append(names, leaveOutAs(r, n))
		}
	}
	return fmt.Errorf("not all nodes follow, and nothing goes on before they do: %s (run this again when they can, or leave one out: --without %s)",
		strings.Join(names, ", "), names[0])
}

// leaveOutAs is what a node of a rotation is left out by: its name, or the beginning of its id where another has the same name.
func leaveOutAs(r *api.Rotation, n api.RotationNode) string {
	for _, other := range r.Nodes {
		if other.Name == n.Name && other.ID != n.ID {
			return n.ID[:min(16, len(n.ID))]
		}
	}
	return n.Name
}

func printRotation(w io.Writer, r *api.Rotation, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(r)
	}
	fmt.Fprintln(w, rotationText(r))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NODE\tSTATE\tHOLDS\tWHY")
	for _, n := range r.Nodes {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", n.Name, n.State, dash(strings.Join(n.Holds, " ")), dash(n.Reason))
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// rotationText says how far a rotation is, and what comes next.
func rotationText(r *api.Rotation) string {
	next := "; then 'weft secret rotate' goes on"
	if r.Done {
		next = ": 'weft secret rotate' goes on"
	}
	switch r.Phase {
	case api.RotationAdd:
		return fmt.Sprintf("step 1 of 3, all nodes take secret %s beside %s%s", r.New, r.Old, next)
	case api.RotationFirst:
		return fmt.Sprintf("step 2 of 3, all nodes speak under secret %s%s", r.New, next)
	case api.RotationRetire:
		if r.Over {
			return fmt.Sprintf("step 3 of 3, all nodes have dropped secret %s: the cluster's secret is %s", r.Old, r.New)
		}
		return fmt.Sprintf("step 3 of 3, all nodes drop secret %s%s", r.Old, next)
	}
	return "no rotation is under way"
}
