package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/config"
)

func newCompletion() *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish",
		Short: "Print a script with which a shell completes commands, flags, their values and the names of peers",
		Long: "Print a script with which a shell completes weft's commands and flags, the values of flags where there are a few, and\n" +
			"the names of peers, which it asks the running node for.",
		Example: "  weft completion bash >/etc/bash_completion.d/weft\n" +
			"  weft completion zsh >/usr/local/share/zsh/site-functions/_weft\n" +
			"  weft completion fish >/etc/fish/completions/weft.fish",
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		ValidArgs: []string{"bash", "zsh", "fish"},
		RunE: func(cmd *cobra.Command, args []string) error {
			root, out := cmd.Root(), cmd.OutOrStdout()
			switch args[0] {
			case "zsh":
				return root.GenZshCompletion(out)
			case "fish":
				return root.GenFishCompletion(out, true)
			}
			return root.GenBashCompletionV2(out, true)
		},
	}
}

// complete tells the shell what the flags of a command take, and that its arguments are no files unless it says so itself.
func complete(cmd *cobra.Command) {
	if cmd.ValidArgsFunction == nil && len(cmd.ValidArgs) == 0 {
		cmd.ValidArgsFunction = cobra.NoFileCompletions
	}
	for _, k := range config.Keys() {
		if cmd.Flags().Lookup(k.Flag()) != nil && !namesFile(k) {
			completeFlag(cmd, k.Flag(), cobra.FixedCompletions(k.Choices, cobra.ShellCompDirectiveNoFileComp))
		}
	}
	for _, name := range []string{"peer", "between"} {
		if cmd.Flags().Lookup(name) != nil {
			completeFlag(cmd, name, completePeer)
		}
	}
}

// completeFlag registers the function, unless the command has one of its own.
func completeFlag(cmd *cobra.Command, flag string, f cobra.CompletionFunc) {
	if _, own := cmd.GetFlagCompletionFunc(flag); own {
		return
	}
	if err := cmd.RegisterFlagCompletionFunc(flag, f); err != nil {
		panic(err) // there is such a flag, and it has no function
	}
}

// namesFile reports whether the key's value is a path, which the shell completes by itself.
func namesFile(k *config.Key) bool {
	return strings.HasSuffix(k.Name, "_file") || strings.HasSuffix(k.Name, "_dir") || k.Name == "authority" || k.Name == "certificate"
}

// completionPatience is how long a shell waits for the daemon: somebody has pressed Tab.
const completionPatience = time.Second

// completePeer proposes the peers that the daemon knows; nothing where none runs.
func completePeer(cmd *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	socket := config.DefaultSocket
	if f := cmd.Flags().Lookup("socket"); f != nil && f.Value.String() != "" {
		socket = f.Value.String()
	}
	ctx, cancel := context.WithTimeout(context.Background(), completionPatience)
	defer cancel()
	peers, err := api.NewClient(socket).Peers(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	list := make([]cobra.Completion, len(peers))
	for i, p := range peers {
		list[i] = cobra.CompletionWithDesc(p.Name, fmt.Sprintf("%s, %v", p.State, p.Subnets))
	}
	return list, cobra.ShellCompDirectiveNoFileComp
}
