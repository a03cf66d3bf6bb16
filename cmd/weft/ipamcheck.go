package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/cni-shim/ipam"
)

func newIPAMCheck() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Compare the address book with this host's interfaces and the node's subnets",
		Long: "Compare the address book with this host's interfaces and the node's subnets. Each contradiction is a line, and makes the exit\n" +
			"code 1. A pod that is made or deleted at this moment shows up, too: look again before you do anything.",
		Example: "  weft ipam check",
		Args:    cobra.NoArgs,
	}
	addBookFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		book, records, err := openRecords(cmd)
		if err != nil {
			return err
		}
		interfaces, err := ipam.Interfaces()
		if err != nil {
			return err
		}
		findings := ipam.Check(records, interfaces, book.subnets)
		return reportFindings(cmd, book, findings)
	}
	return cmd
}

func reportFindings(cmd *cobra.Command, book *addressBook, findings []ipam.Finding) error {
	for _, f := range findings {
		fmt.Fprintln(cmd.OutOrStdout(), plainText(strings.Fields(f.String())))
	}
	if book.noLease != nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "weft: subnets are not known, and were not compared: %s\n", oneLine(book.noLease))
	}
	if len(findings) > 0 {
		return fmt.Errorf("%s in %s", counted(uint64(len(findings)), "contradiction"), book.Path())
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s agrees with this host's interfaces\n", book.Path())
	return err
}
