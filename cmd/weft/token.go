package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/node/setup"
)

func newToken() *cobra.Command {
	var file, tokenFile string
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Make the token again with which others join, from configuration and secret",
		Long: "Make the token again with which others join, from configuration and secret; the addresses in it are this node's. The\n" +
			"token holds the secret: treat it like a password.",
		Example: "  weft token\n  weft token --token-file token",
		Args:    cobra.NoArgs,
	}
	cmd.Flags().StringVarP(&file, "config", "c", config.DefaultConfigFile, "configuration file")
	addTokenFile(cmd, &tokenFile)
	addKeyFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := loadConfig(cmd, file)
		if err != nil {
			return err
		}
		token, err := setup.Token(cfg)
		if err != nil {
			return err
		}
		return deliverToken(cmd, tokenFile, token)
	}
	return cmd
}

func addTokenFile(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVar(file, "token-file", "", "write the token to this new file, for its owner alone; default: standard output")
}

// deliverToken writes the token where the user wants it.
func deliverToken(cmd *cobra.Command, file, token string) error {
	if file != "" && file != "-" {
		return setup.WriteTokenFile(file, token)
	}
	if _, err := fmt.Fprintln(cmd.OutOrStdout(), token); err != nil {
		return fmt.Errorf("print the token: %w", err)
	}
	return nil
}
