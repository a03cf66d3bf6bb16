package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestWrongArgumentsAreRefusedInOneLineThatSaysWhich(t *testing.T) {
	for args, want := range map[string]string{
		"authority sign":           "NAME and FINGERPRINT are missing (see 'weft authority sign --help')",
		"authority sign vm-1":      "FINGERPRINT is missing (",
		"authority sign vm-1 ab c": `"c" is one argument too many: it takes NAME and FINGERPRINT alone (`,
		"authority show":           "FILE is missing (",
		"status vm-1":              `it takes no argument, and was given "vm-1" (see 'weft status --help')`,
		"join a b":                 `"b" is one argument too many: it takes [TOKEN] alone (`,
		"peers revoke a b":         `"b" is one argument too many: it takes NAME alone (`,
		"completion":               "bash|zsh|fish is missing (",
		"completion csh":           `invalid argument "csh"`,
		"peer":                     "there is no command 'weft peer'; is 'weft peers' meant? (see 'weft --help')",
		"secret rotat":             "there is no command 'weft secret rotat'; is 'weft secret rotate' meant? (",
		"secret 7":                 "there is no command 'weft secret 7' (see 'weft secret --help')",
	} {
		var out bytes.Buffer
		code, said := weft(t, &out, strings.Fields(args)...)
		if code != 2 || out.Len() > 0 || strings.Count(said, "\n") != 1 || !strings.HasPrefix(said, "weft: "+want) {
			t.Errorf("weft %s: exit code %d, %q, want %q", args, code, said, want)
		}
	}
}

// Whatever the command, too many arguments are refused before anything is done.
func TestNoCommandTakesMoreArgumentsThanItsSynopsisNames(t *testing.T) {
	var try func(cmd *cobra.Command)
	try = func(cmd *cobra.Command) {
		for _, sub := range cmd.Commands() {
			try(sub)
		}
		args := strings.Fields(cmd.CommandPath() + strings.Repeat(" surplus", 9))[1:]
		if code, said := weft(t, &bytes.Buffer{}, args...); code != 2 || strings.Count(said, "\n") != 1 || !strings.Contains(said, "surplus") {
			t.Errorf("%v: exit code %d, %q", args, code, said)
		}
	}
	try(newRoot())
}

func TestTheVersionFlagSaysWhatTheCommandSays(t *testing.T) {
	var command, flag bytes.Buffer
	weft(t, &command, "version")
	if code, said := weft(t, &flag, "--version"); code != 0 || said != "" || flag.String() != command.String() || !strings.HasPrefix(flag.String(), "weft ") {
		t.Errorf("exit code %d, %q and %q, want %q", code, flag.String(), said, command.String())
	}
}
