package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/weftnet/weft/node/api"
)

func printRoutes(w io.Writer, routes []api.Route) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "PREFIX\tOWNER\tKIND\tTYPE\tROLE\tSTATE\tVIA\tMTU\tREASON")
	for _, r := range routes {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Prefix, r.Owner, r.Kind, dash(r.Type), dash(r.Role), r.State, dash(r.Via),
			number(r.MTU), r.Reason)
	}
	return t.Flush()
}

// behindText says how the node stands to a network behind it.
func behindText(b api.Behind) string {
	text := cmp.Or(b.Role, "not carried")
	if b.Role == api.RoleStandby {
		text += fmt.Sprintf(", %s is active", b.Active)
	}
	if b.Role == api.RoleActive && len(b.Standby) > 0 {
		text += ", standby " + strings.Join(b.Standby, " ")
	}
	if b.Reason != "" {
		text += " (" + b.Reason + ")"
	}
	return text
}
