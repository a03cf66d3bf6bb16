package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// wrongArguments says which argument of a command is missing, or too much, going by its Use; refused is why the command's own check did
// not take them, which is the error where their number is right.
func wrongArguments(cmd *cobra.Command, args []string, refused error) error {
	names := argumentNames(cmd)
	switch {
	case cmd.HasSubCommands() && len(args) > len(names):
		return noCommand(cmd, args[0])
	case len(names) == 0 && len(args) > 0:
		return fmt.Errorf("it takes no argument, and was given %q", args[0])
	case len(args) > len(names):
		return fmt.Errorf("%q is one argument too many: it takes %s alone", args[len(names)], strings.Join(names, " and "))
	case len(args) == len(names)-1:
		return fmt.Errorf("%s is missing", names[len(args)])
	case len(args) < len(names):
		return fmt.Errorf("%s are missing", strings.Join(names[len(args):], " and "))
	}
	return refused
}

// argumentNames are the words behind the command's name in its Use, up to another form of it.
func argumentNames(cmd *cobra.Command) []string {
	form, _, _ := strings.Cut(cmd.Use, " | ")
	return strings.Fields(form)[1:]
}

// noCommand says that a command has no other of that name below it.
func noCommand(cmd *cobra.Command, name string) error {
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(name); len(near) > 0 {
		return fmt.Errorf("there is no command '%s %s'; is '%s %s' meant?", cmd.CommandPath(), name, cmd.CommandPath(), near[0])
	}
	return fmt.Errorf("there is no command '%s %s'", cmd.CommandPath(), name)
}
