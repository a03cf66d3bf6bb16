package main

import (
	"crypto/rand"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/trust"
)

func newSecret() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "secret",
		Short: "Print a new cluster secret, and nothing else",
		Long: "Print a new cluster secret, and nothing else. 'weft init' makes one by itself; this is for who hands out secrets in\n" +
			"another way. Whoever has the secret is a member of the cluster. 'weft secret rotate' gives a running cluster another one.",
		Example: "  (umask 077; weft secret >/etc/weft/secret)",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := trust.NewSecret(rand.Reader)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), s.Text())
			return err
		},
	}
	cmd.AddCommand(newSecretRotate())
	return cmd
}
