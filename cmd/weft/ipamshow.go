package main

import (
	"encoding/json"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/cni-shim/ipam"
)

// ipamShown is what 'weft ipam show --json' prints. Lists are never null.
type ipamShown struct {
	Book    string        `json:"book"`               // the file
	NoLease string        `json:"no_lease,omitempty"` // why Subnets is empty
	Subnets []ipam.Usage  `json:"subnets"`
	Records []ipam.Record `json:"records"`
}

func newIPAMShow() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Show how much of this node's subnets its pods have, and which pod has which address",
		Long: "Show how much of this node's subnets its pods have, and which pod has which address. An address that was released rests\n" +
			"for 30 s before another pod can have it. Nothing is locked or changed.",
		Example: "  weft ipam show\n  weft ipam show --json",
		Args:    cobra.NoArgs,
	}
	addBookFlags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		shown, err := showIPAM(cmd)
		if err != nil {
			return err
		}
		if asJSON {
			enc := json.NewEncoder(cmd.OutOrStdout())
			enc.SetIndent("", "  ")
			return enc.Encode(shown)
		}
		return printIPAM(cmd.OutOrStdout(), shown)
	}
	return cmd
}

func showIPAM(cmd *cobra.Command) (*ipamShown, error) {
	book, records, err := openRecords(cmd)
	if err != nil {
		return nil, err
	}
	shown := &ipamShown{Book: book.Path(), Subnets: ipam.UsageOf(book.subnets, records), Records: records}
	if book.noLease != nil {
		shown.NoLease = oneLine(book.noLease)
	}
	if shown.Records == nil {
		shown.Records = []ipam.Record{}
	}
	return shown, nil
}
