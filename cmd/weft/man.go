package main

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/weftnet/weft/node/version"
)

// manSection is that of commands for administrators, man-pages(7).
const manSection = "8"

func newMan() *cobra.Command {
	return &cobra.Command{
		Use:    "man DIR",
		Hidden: true, // for 'make man' and packagers
		Short:  "Write the man pages of all commands to a directory",
		Long: "Write the man pages of all commands to a directory that exists. Their date is SOURCE_DATE_EPOCH, in seconds since 1970,\n" +
			"so that two builds of one commit give the same pages; without it, today.",
		Example:           "  SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) weft man bin/man",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs),
		RunE: func(cmd *cobra.Command, args []string) error {
			date, err := manDate(os.Getenv("SOURCE_DATE_EPOCH"))
			if err != nil {
				return err
			}
			root := cmd.Root()
			root.DisableAutoGenTag = true
			header := &doc.GenManHeader{Section: manSection, Date: &date, Source: "weft " + version.Get().Version, Manual: "Weft"}
			if err := doc.GenManTree(root, header, args[0]); err != nil {
				return fmt.Errorf("write man pages: %w", err)
			}
			return nil
		},
	}
}

// manDate is the date of the pages, in UTC wherever they are made.
func manDate(epoch string) (time.Time, error) {
	if epoch == "" {
		return time.Now().UTC(), nil
	}
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return time.Time{}, usageError{fmt.Errorf("SOURCE_DATE_EPOCH: %q is not a number of seconds", epoch)}
	}
	return time.Unix(seconds, 0).UTC(), nil
}
