package main

import (
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/weftnet/weft/cni-shim/ipam"
)

// shownID is how many digits of a container's ID the table has: as many as crictl shows.
const shownID = 13

func printIPAM(w io.Writer, s *ipamShown) error {
	if s.NoLease != "" {
		fmt.Fprintf(w, "subnets are not known: %s\n\n", s.NoLease)
	} else if err := printUsage(w, s.Subnets); err != nil {
		return err
	}
	if len(s.Records) == 0 {
		_, err := fmt.Fprintln(w, "no pod has an address")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "POD\tCONTAINER\tINTERFACE\tADDRESSES\tSTATE\tSINCE\tHOST END\tNETWORK")
	for _, r := range s.Records {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", dash(plainWord(r.Pod.String())), plainWord(r.Container[:min(len(r.Container), shownID)]), plainWord(r.IfName),
			list(r.Addresses), r.State, span(time.Since(r.Since)), dash(plainWord(r.HostEnd)), dash(plainWord(r.Network)))
	}
	return t.Flush()
}

func printUsage(w io.Writer, usage []ipam.Usage) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "SUBNET\tGATEWAY\tFOR PODS\tHELD\tRESTING")
	for _, u := range usage {
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%d\n", u.Subnet, u.Gateway, capacityText(u.Capacity), u.Held, u.Quarantined)
	}
	fmt.Fprintln(t)
	return t.Flush()
}

// capacityText is a number of addresses; the largest that usage tells is written as a bound.
func capacityText(n uint64) string {
	if n == ipam.MaxCapacity {
		return "more than 10^15"
	}
	return strconv.FormatUint(n, 10)
}
