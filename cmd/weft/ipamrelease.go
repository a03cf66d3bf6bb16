package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/cni-shim/ipam"
)

func newIPAMRelease() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "release ADDRESS | CONTAINER",
		Short: "Release the addresses of a pod that is gone",
		Long: "Release the addresses of a pod that is gone: all those of the interface that has the address, or of the container, whose ID\n" +
			"may be cut off. The daemon does so by itself when the host's end of a pod's interface is missing for a minute. As long as\n" +
			"it is there, the pod may run, and its addresses are released with --force alone.",
		Example: "  weft ipam release 10.244.1.7\n  weft ipam release 3f2a91c04d77e",
		Args:    cobra.ExactArgs(1),
	}
	addBookFlags(cmd)
	cmd.Flags().BoolVar(&force, "force", false, "even if the pod's interface is there")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		book, records, err := openRecords(cmd)
		if err != nil {
			return err
		}
		found, err := ipam.Find(records, args[0])
		if err != nil {
			return err
		}
		interfaces, err := ipam.Interfaces()
		if err != nil {
			return err
		}
		return releaseRecords(cmd, book, found, interfaces, force)
	}
	return cmd
}

// releaseRecords releases all of the records, or with an interface of theirs on the host and without force none.
func releaseRecords(cmd *cobra.Command, book *addressBook, records []ipam.Record, interfaces map[string]bool, force bool) error {
	for _, r := range records {
		if interfaces[r.HostEnd] && !force {
			return fmt.Errorf("%s of %s (%s) is in use: its host end %s is there; delete the pod, or release it with --force", list(r.Addresses), r.Holder(), r.Key, r.HostEnd)
		}
	}
	for _, r := range records {
		if _, _, err := book.Release(cmd.Context(), r.Key); err != nil {
			return err
		}
		text := fmt.Sprintf("%s of %s (%s) released: another pod can have it in %v", list(r.Addresses), r.Holder(), r.Key, ipam.Quarantine)
		if interfaces[r.HostEnd] {
			text += fmt.Sprintf("; the host end %s is still there, and its pod may go on to use it", r.HostEnd)
		}
		if _, err := fmt.Fprintln(cmd.OutOrStdout(), plainText(strings.Fields(text))); err != nil {
			return err
		}
	}
	return nil
}
