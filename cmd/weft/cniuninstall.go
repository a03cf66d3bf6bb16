package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/cni-shim/install"
	"github.com/weftnet/weft/cni-shim/ipam"
)

func newCNIUninstall() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "uninstall",
		Short: "Remove what 'weft cni install' put there, and put back what was there before",
		Long: "Remove what 'weft cni install' put there, and put back what was there before. What somebody has changed since is left alone and\n" +
			"named. While pods have addresses of weft's it is refused: without the plugin the runtime cannot end them.",
		Example: "  weft cni uninstall\n  weft cni uninstall --force",
		Args:    cobra.NoArgs,
	}
	addBookFlags(cmd)
	cmd.Flags().BoolVar(&force, "force", false, "also while pods have addresses")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := bookConfig(cmd)
		if err != nil {
			return err
		}
		if err := podsEnded(cmd); err != nil && !force {
			return err
		}
		list, err := install.Uninstall(cfg.StateDir)
		return errors.Join(printUninstalled(cmd.OutOrStdout(), list), err)
	}
	return cmd
}

// podsEnded is an error as long as pods have addresses.
func podsEnded(cmd *cobra.Command) error {
	_, records, err := openRecords(cmd)
	if err != nil {
		return err
	}
	held := uint64(0)
	for _, r := range records {
		if r.State == ipam.Held {
			held++
		}
	}
	if held > 0 {
		return fmt.Errorf("%s of this host still there: move them first (kubectl drain --ignore-daemonsets), or say --force: the runtime cannot end them without the plugin", counted(held, "pod"))
	}
	return nil
}
