package main

import (
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/node/setup"
	"github.com/weftnet/weft/trust"
)

func newKey() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "key",
		Short:   "Replace this node's key",
		Long:    "Replace this node's key, which is node.key in its state directory.",
		Example: "  weft key replace",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newKeyReplace())
	return cmd
}

func newKeyReplace() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "replace",
		Short: "Give this node a new key, and with it a new fingerprint, from its next start on",
		Long: "Give this node a new key, and with it a new fingerprint, from its next start on: restart the daemon afterwards. The node\n" +
			"keeps its subnets and routes, for the old identity leaves them to the new one in words that it signs; no node waits for\n" +
			"it any more. The old key is gone then. When anything fails, the old key stays. With an authority, the new\n" +
			"fingerprint needs a certificate of its own: sign it before the restart.",
		Example: "  weft key replace && systemctl restart weft",
		Args:    cobra.NoArgs,
	}
	cmd.Flags().StringVarP(&file, "config", "c", config.DefaultConfigFile, "configuration file")
	addKeyFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := loadConfig(cmd, file)
		if err != nil {
			return err
		}
		old, next, err := setup.ReplaceKey(cfg, rand.Reader)
		if err != nil {
			return keyError(&cfg, err)
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s takes the place of %s with the next start of this node: restart it now\n", next, old)
		return err
	}
	return cmd
}

// keyError makes the refusal of a node's key one of the configuration that leads to it.
func keyError(cfg *config.Config, err error) error {
	if !errors.Is(err, trust.ErrIdentity) {
		return err
	}
	return cfg.Placed(config.KeyErrorf("state_dir", "%w", err))
}
