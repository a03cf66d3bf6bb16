package main

import (
	"crypto/rand"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/node"
)

func newInit() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Set up the first node: secret, configuration, and the token with which others join",
		Args:  cobra.NoArgs,
	}
	cmd.Flags().StringVarP(&file, "config", "c", node.DefaultConfigFile, "configuration file to write")
	addKeyFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := flagConfig(cmd)
		if err != nil {
			return err
		}
		token, err := node.Init(file, cfg, rand.Reader)
		if err != nil {
			return err
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "wrote %s and %s\nstart this node:      weft up\non every other host:  weft join TOKEN, then weft up\n"+
			"the token holds the secret; treat it like a password:\n", file, cfg.SecretFile)
		fmt.Fprintln(cmd.OutOrStdout(), token)
		return nil
	}
	return cmd
}
