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
	"github.com/weftnet/weft/trust"
)

func newSecretRotate() *cobra.Command {
	var c rotateCommand
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Lead the cluster one step on to another secret, and show which node holds what",
		Long: "Lead the cluster one step on to another secret, and show which node holds what. There are three steps: all nodes take a\n" +
			"new secret beside the old one; all speak under it; all drop the old one. Each call is one step, on any node, and does\n" +
			"nothing before all nodes have done the one before; a call that was not followed by all is repeated. No packet is lost.\n" +
			"The new secret travels in sealed sessions alone, and each node writes it to its secret_file. All nodes that have a claim\n" +
			"count, also those that are away: --without leaves one out, which is then not given the secret. The exit code is 1 while\n" +
			"not all nodes follow. If the secret was stolen, look first that 'weft peers' shows no node that is not yours.\n\n" +
			"Nodes with an authority follow no rotation that it did not sign. --request begins one on this node alone and prints what is\n" +
			"to be signed with 'weft authority rotate'; --signed gives this node the permit with the first step.",
		Example: "  weft secret rotate\n  weft secret rotate --status\n  weft secret rotate --without vm-3\n" +
			"  weft authority rotate $(ssh vm-1 weft secret rotate --request) | ssh vm-1 weft secret rotate --signed -",
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringVar(&c.socket, "socket", config.DefaultSocket, "control socket of the daemon")
	cmd.Flags().StringSliceVar(&c.without, "without", nil, "nodes that are left out: names, or beginnings of ids")
	cmd.Flags().BoolVar(&c.status, "status", false, "change nothing, and show how far it is")
	cmd.Flags().BoolVar(&c.request, "request", false, "begin on this node alone, and print what the authority signs: two ids")
	cmd.Flags().StringVar(&c.signed, "signed", "", "file of the authority's permit; - for standard input")
	cmd.Flags().BoolVar(&c.asJSON, "json", false, "print JSON")
	completeFlag(cmd, "without", completePeer)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return c.run(cmd) }
	return cmd
}

// rotateCommand is what 'weft secret rotate' was asked for.
type rotateCommand struct {
	socket, signed          string
	without                 []string
	status, request, asJSON bool
}

func (c *rotateCommand) run(cmd *cobra.Command) error {
	client := api.NewClient(c.socket)
	switch {
	case c.status && c.request:
		return usageError{errors.New("--status changes nothing, and --request begins a rotation: give one of them")}
	case (c.status || c.request) && (len(c.without) > 0 || c.signed != ""):
		return usageError{errors.New("--without and --signed are for a step, not for --status or --request")}
	case c.request:
		return c.printRequest(cmd, client)
	case c.status:
		r, err := client.Rotation(cmd.Context())
		if err != nil {
			return err
		}
		return printRotation(cmd.OutOrStdout(), r, c.asJSON)
	}
	return c.step(cmd, client)
}

func (c *rotateCommand) printRequest(cmd *cobra.Command, client *api.Client) error {
	r, err := client.RequestRotation(cmd.Context())
	if err != nil {
		return err
	}
	if c.asJSON {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(r)
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), r.Old, r.New)
	return err
}

func (c *rotateCommand) step(cmd *cobra.Command, client *api.Client) error {
	permit, err := c.permit(cmd.InOrStdin())
	if err != nil {
		return err
	}
	r, err := client.Rotate(cmd.Context(), c.without, permit)
	if err != nil {
		return err
	}
	if err := printRotation(cmd.OutOrStdout(), r, c.asJSON); err != nil || r.Done {
		return err
	}
	return stragglers(r)
}

// maxPermitText is far more than the text of a permit has, in bytes.
const maxPermitText = 4 << 10

// permit is the authority's permit; nil: none is given.
func (c *rotateCommand) permit(stdin io.Reader) ([]byte, error) {
	if c.signed == "" {
		return nil, nil
	}
	text, err := readText(c.signed, stdin, maxPermitText)
	if err != nil {
		return nil, config.Errorf("--signed: %w", err)
	}
	p, err := trust.ParseRotationPermitPEM(text)
	if err != nil {
		return nil, config.Errorf("--signed: %s: %w", c.signed, err)
	}
	return p.Raw(), nil
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
	if r.Barred != "" {
		fmt.Fprintln(w, "it does not go on:", r.Barred)
	}
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
