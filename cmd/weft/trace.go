package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/config"
)

func newTrace() *cobra.Command {
	var socket string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "trace DST | SRC DST",
		Short: "Show what becomes of a packet, and ask the nodes on its way",
		Long: "Show what becomes of a packet to an address: who owns it, which way it takes and why, by the tables of this node and its kernel;\n" +
			"then ask each node on the way, three times, and show which relay the questions came by and how long the answers took. Without SRC\n" +
			"the packet is one of this node itself. The command succeeds also where the packet would not get there: see 'reached' in its JSON.",
		Example: "  weft trace 10.244.3.7\n  weft trace 10.244.1.20 10.244.3.7\n  weft trace 10.244.3.7 --json",
		Args:    cobra.ArbitraryArgs, // counted below: the destination is the last
	}
	cmd.Flags().StringVar(&socket, "socket", config.DefaultSocket, "control socket of the daemon")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		src, dst, err := packetOf(args)
		if err != nil {
			return usageError{fmt.Errorf("%w (see 'weft trace --help')", err)}
		}
		t, err := api.NewClient(socket).Trace(cmd.Context(), src, dst)
		if err != nil {
			return err
		}
		if asJSON {
			enc := json.NewEncoder(cmd.OutOrStdout())
			enc.SetIndent("", "  ")
			return enc.Encode(t)
		}
		return printTrace(cmd.OutOrStdout(), t)
	}
	return cmd
}

// packetOf are the addresses of a packet, by the arguments; src is not valid where they name none.
func packetOf(args []string) (src, dst netip.Addr, err error) {
	switch len(args) {
	case 0:
		return src, dst, errors.New("DST is missing: the address that a packet goes to")
	case 1, 2:
	default:
		return src, dst, fmt.Errorf("%q is one argument too many: it takes DST, or SRC and DST", args[2])
	}
	if dst, err = addressOf(args[len(args)-1]); err == nil && len(args) == 2 {
		src, err = addressOf(args[0])
	}
	return src, dst, err
}

// addressOf is an address as packets carry it.
func addressOf(arg string) (netip.Addr, error) {
	a, err := netip.ParseAddr(arg)
	if err != nil || a.Zone() != "" {
		return netip.Addr{}, fmt.Errorf("%q is no IP address, such as 10.244.3.7", arg)
	}
	return a.Unmap(), nil
}
