package main

import (
	"crypto/rand"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/node/setup"
)

func newInit() *cobra.Command {
	var file, tokenFile string
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Set up the first node: secret, configuration, and the token with which others join",
		Long: "Set up the first node: secret, configuration, and the token with which others join. When something fails, nothing\n" +
			"is set up. 'weft token' makes the token again.",
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringVarP(&file, "config", "c", config.DefaultConfigFile, "configuration file to write")
	addTokenFile(cmd, &tokenFile)
	addKeyFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, _, err := flagConfig(cmd)
		if err != nil {
			return err
		}
		deliver := func(token string) error { return deliverToken(cmd, tokenFile, token) }
		if err := setup.Init(file, cfg, rand.Reader, deliver); err != nil {
			return err
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "wrote %s; the secret is in %s\nstart this node:      %s\n"+
			"on every other host:  weft join --token-file FILE, then weft up\n"+
			"the token holds the secret: treat it like a password; 'weft token' makes it again\n", file, cfg.SecretFile, upCommand(file))
		return nil
	}
	return cmd
}

// upCommand is the command that starts the node of a configuration.
func upCommand(file string) string {
	if file == config.DefaultConfigFile {
		return "weft up"
	}
	if absolute, err := filepath.Abs(file); err == nil {
		file = absolute
	}
	return "weft up --config " + file
}
