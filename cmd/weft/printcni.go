package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/weftnet/weft/cni-shim/install"
)

func printInstalled(w io.Writer, o install.Options, done install.Done) error {
	for _, p := range done.Placed {
		fmt.Fprintf(w, "%s: installed; %s\n", p.Path, p.Cause)
		if p.Aside != "" {
			fmt.Fprintf(w, "%s: what was there before\n", p.Aside)
		}
	}
	for _, path := range done.Removed {
		fmt.Fprintf(w, "%s: removed; it belongs elsewhere now\n", path)
	}
	all := "all is as it should be"
	if done.Any() {
		all = "done"
	}
	_, err := fmt.Fprintf(w, "%s: plugins in %s, networks in %s (%s)\n", all, o.Bin, o.Conf, o.Why)
	return err
}

func printUninstalled(w io.Writer, list []install.Undone) (err error) {
	if len(list) == 0 {
		_, err = fmt.Fprintln(w, "nothing is installed")
	}
	for _, u := range list {
		text := string(u.Fate)
		if u.Aside != "" {
			text += "; what was there before weft is " + u.Aside
		}
		_, err = fmt.Fprintf(w, "%s: %s\n", u.Path, text)
	}
	return err
}

func printSteps(w io.Writer, steps []install.Step) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, s := range steps {
		fmt.Fprintf(t, "%s\t%s\t%s\n", s.Finding, s.Name, s.Detail)
		if s.Remedy != "" {
			fmt.Fprintf(t, "\t\t  remedy: %s\n", s.Remedy)
		}
	}
	return t.Flush()
}
