package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/cni-shim/ipam"
	"github.com/weftnet/weft/cni-shim/lease"
	"github.com/weftnet/weft/node/config"
)

func newIPAM() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ipam",
		Short: "Show, check and mend which addresses of this node its pods have",
		Long: "Show, check and mend which addresses of this node its pods have. All that is in the address book, cni/addresses.json in the\n" +
			"state directory; no daemon is needed.",
		Example: "  weft ipam show\n  weft ipam check\n  weft ipam release 10.244.1.7",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newIPAMShow(), newIPAMCheck(), newIPAMRelease())
	return cmd
}

// addressBook is the book of this host, and the subnets that it is about.
type addressBook struct {
	*ipam.Book
	subnets []netip.Prefix
	noLease error // why subnets are not known
}

// addBookFlags adds the flags that openBook goes by.
func addBookFlags(cmd *cobra.Command) {
	cmd.Flags().StringP("config", "c", config.DefaultConfigFile, "configuration file; need not be there, if it is not named")
	cmd.Flags().String("state-dir", "", "state directory, with the address book (default: that of the node's lease, else of the configuration)")
	cmd.Flags().String("run-dir", "", "run directory, with the node's lease (default: that of the configuration)")
}

// openBook finds the book by the flags, else by the lease of the node, else by the configuration.
func openBook(cmd *cobra.Command) (*addressBook, error) {
	cfg, err := bookConfig(cmd)
	if err != nil {
		return nil, err
	}
	named := cmd.Flags().Changed("state-dir")
	if _, err := os.Stat(cfg.StateDir); named && errors.Is(err, fs.ErrNotExist) {
		return nil, usageError{fmt.Errorf("--state-dir: there is no directory %s", cfg.StateDir)}
	}
	l, noLease := lease.Read(cfg.RunDir)
	if noLease == nil && !named {
		cfg.StateDir = l.StateDir
	}
	boot, err := lease.BootID()
	if err != nil {
		return nil, err
	}
	book, err := ipam.Open(cfg.StateDir, ipam.Options{BootID: boot})
	return &addressBook{book, l.Subnets, noLease}, err
}

// openRecords is openBook, and what is in the book.
func openRecords(cmd *cobra.Command) (*addressBook, []ipam.Record, error) {
	book, err := openBook(cmd)
	if err != nil {
		return nil, nil, err
	}
	records, err := book.Records()
	return book, records, err
}

// bookConfig is the configuration, as far as there is one, with the flags over it.
func bookConfig(cmd *cobra.Command) (config.Config, error) {
	cfg := config.Default()
	file := cmd.Flag("config")
	if err := cfg.ReadFile(file.Value.String()); err != nil && (file.Changed || !errors.Is(err, fs.ErrNotExist)) {
		return cfg, err
	}
	_, err := applyFlags(cmd, &cfg)
	return cfg, err
}
