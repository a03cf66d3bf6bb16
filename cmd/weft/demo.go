package main

import (
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/demo"
	"github.com/weftnet/weft/node/config"
)

func newDemo() *cobra.Command {
	var o demo.Options
	var remove, encryption, driver string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show weft at work on three virtual hosts of this machine, then remove them",
		Long: "Show weft at work on three virtual hosts of this machine: they become one network, carry traffic, lose a node and find\n" +
			"it again. It takes about half a minute, needs root, and leaves nothing behind unless --keep says so.",
		Example: "  weft demo\n  weft demo --keep",
		Args:    cobra.NoArgs,
	}
	cmd.Flags().BoolVar(&o.Keep, "keep", false, "leave the hosts standing at the end and say how to look around")
	cmd.Flags().StringVar(&remove, "remove", "", "remove the hosts that an earlier --keep left, by its id")
	cmd.Flags().StringVar(&encryption, "encryption", "on", "on or off")
	cmd.Flags().StringVar(&driver, "driver", "auto", "of the overlay device: auto, batch or plain")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		o.Flags = []string{"--encryption", encryption, "--driver", driver}
		if err := checkFlags(cmd, "encryption", "driver"); err != nil {
			return err
		}
		if remove != "" {
			return lab.Remove(remove)
		}
		self, err := os.Executable()
		if err != nil {
			return fmt.Errorf("find this program: %w", err)
		}
		o.Binary, o.Out = self, cmd.OutOrStdout()
		return demo.Run(cmd.Context(), o)
	}
	return cmd
}

// checkFlags checks flags that are passed on to other commands, before anything is built for them.
func checkFlags(cmd *cobra.Command, names ...string) error {
	cfg := config.Default()
	for _, k := range config.Keys() {
		if !slices.Contains(names, k.Flag()) {
			continue
		}
		if err := k.Set(&cfg, flagValues(cmd.Flags().Lookup(k.Flag()))); err != nil {
			return usageError{fmt.Errorf("--%s: %w", k.Flag(), err)}
		}
	}
	return nil
}
