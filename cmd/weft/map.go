package main

import (
	"github.com/spf13/cobra"

	"github.com/weftnet/weft/node/api"
)

func newMap() *cobra.Command {
	cmd := query("map", "Show which nodes reach each other directly, and how well, as a Mermaid flowchart",
		func(cmd *cobra.Command, c *api.Client) (*api.Map, error) { return c.Map(cmd.Context()) }, printMap)
	cmd.Long = "Show which nodes reach each other directly, and how well, by what all of them say, as a Mermaid flowchart: paste it into a Markdown\n" +
		"page, between ```mermaid and ```. A plain line is a link that both ends say is up, with the range of its round trip, and of its losses\n" +
		"if there are any; a dotted arrow one that only the end where it begins says is up; crosses mark a pair without a link."
	cmd.Example = "  weft map > cluster.mmd\n  weft map --json"
	return cmd
}
