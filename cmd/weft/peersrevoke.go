package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/trust"
)

// maxRevocationText is far more than the text of a revocation has, in bytes.
const maxRevocationText = 4 << 10

func newPeersRevoke() *cobra.Command {
	var socket, signed string
	cmd := &cobra.Command{
		Use:   "revoke NAME | --signed FILE",
		Short: "Shut a peer out: by this node alone, or for everybody by the authority's word",
		Long: "Shut a peer out. With its name, or the first 16 digits of its fingerprint, this node alone does so, for ever; to shut it out\n" +
			"everywhere without an authority, rotate the secret. With --signed, a revocation that 'weft authority revoke' printed is\n" +
			"given to all nodes of the cluster. What a node has shut out is in revoked.json of its state directory.",
		Example: "  weft peers revoke vm-3\n  weft peers revoke --signed vm-3.revoked",
		Args:    cobra.MaximumNArgs(1),

		ValidArgsFunction: completePeer,
	}
	cmd.Flags().StringVar(&socket, "socket", config.DefaultSocket, "control socket of the daemon")
	cmd.Flags().StringVar(&signed, "signed", "", "file of a revocation of the authority's; - for standard input")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client := api.NewClient(socket)
		switch {
		case len(args) == 1 && signed != "" || len(args) == 0 && signed == "":
			return usageError{errors.New("name a peer, or a revocation with --signed")}
		case signed == "":
			return banPeer(cmd, client, args[0])
		}
		return publishRevocation(cmd, client, signed)
	}
	return cmd
}

func banPeer(cmd *cobra.Command, client *api.Client, name string) error {
	done, err := client.RevokePeer(cmd.Context(), name)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s, by this node alone\nit still has the secret: to shut it out everywhere, run this on all nodes, or rotate the secret\n", revokedText(done))
	return err
}

func publishRevocation(cmd *cobra.Command, client *api.Client, file string) error {
	text, err := readText(file, cmd.InOrStdin(), maxRevocationText)
	if err != nil {
		return config.Errorf("--signed: %w", err)
	}
	r, err := trust.ParseRevocationPEM(text)
	if err != nil {
		return config.Errorf("--signed: %s: %w", file, err)
	}
	done, err := client.Revoke(cmd.Context(), base64.RawURLEncoding.EncodeToString(r.Raw()))
	if err != nil {
		return err
	}
	_, err = io.WriteString(cmd.OutOrStdout(), revokedText(done)+", for everybody\n")
	return err
}

func revokedText(r *api.Revoked) string {
	if !r.News {
		return r.What + " was revoked already"
	}
	return "revoked " + r.What
}
