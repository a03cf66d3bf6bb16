package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/node"
	"github.com/weftnet/weft/node/config"
)

func newDown() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "down",
		Short: "Stop the node and remove its device, addresses, routes and firewall rules",
		Long: "Stop the node, if it runs, and remove what it put into the host's network: device, addresses, routes, rules. Keys and\n" +
			"configuration stay, so that 'weft up' makes the same node again. It can be repeated.",
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringVarP(&file, "config", "c", config.DefaultConfigFile, "configuration file")
	addKeyFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := loadConfig(cmd, file)
		if errors.Is(err, fs.ErrNotExist) && !cmd.Flags().Changed("config") {
			fmt.Fprintf(cmd.ErrOrStderr(), "weft: there is no %s: removing what its defaults and the flags name\n", file)
			cfg, _, err = flagConfig(cmd)
		}
		if err != nil {
			return err
		}
		log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
		if err := node.Down(cmd.Context(), cfg, log); err != nil {
			return err
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s, its addresses, routes and firewall rules are gone; keys and configuration are kept\n", cfg.Device)
		return err
	}
	return cmd
}
