package main

import (
	"crypto/rand"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/trust"
)

func newAuthorityRequest() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "request",
		Short: "On a node: print its name and fingerprint, as 'weft authority sign' takes them",
		Long: "On a node: print its name and fingerprint, as 'weft authority sign' takes them. Where the node has no key yet, it is made,\n" +
			"as the first start would.",
		Example: "  weft authority request",
		Args:    cobra.NoArgs,
	}
	cmd.Flags().StringVarP(&file, "config", "c", config.DefaultConfigFile, "configuration file")
	addKeyFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := loadConfig(cmd, file)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(cfg.StateDir, 0o700); err != nil {
			return config.KeyErrorf("state_dir", "%w", err)
		}
		id, _, err := trust.LoadIdentity(cfg.StateDir, rand.Reader)
		if err != nil {
			return keyError(&cfg, err)
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), cfg.Name, id.Fingerprint())
		return err
	}
	return cmd
}
