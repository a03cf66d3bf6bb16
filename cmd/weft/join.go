package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/node/setup"
)

func newJoin() *cobra.Command {
	var file, tokenFile string
	cmd := &cobra.Command{
		Use:   "join [TOKEN]",
		Short: "Set up a further node from a token (or from a token in a file or on standard input)",
		Long: "Set up a further node from a token, or from a token in a file or on standard input. The token decides network,\n" +
			"encryption and subnet size; a flag that says otherwise is an error. --join replaces the addresses in the token.",
		Args: cobra.MaximumNArgs(1),
	}
	cmd.Flags().StringVarP(&file, "config", "c", config.DefaultConfigFile, "configuration file to write")
	cmd.Flags().StringVar(&tokenFile, "token-file", "", "read the token from this file; - is standard input")
	addKeyFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, chosen, err := flagConfig(cmd)
		if err != nil {
			return err
		}
		token, err := readToken(cmd.InOrStdin(), args, tokenFile)
		if err != nil {
			return err
		}
		if err := setup.Join(file, cfg, chosen, token); err != nil {
			return err
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "wrote %s; the secret is in %s\nstart this node: %s\n", file, cfg.SecretFile, upCommand(file))
		return err
	}
	return cmd
}

// readToken takes the token from the argument, from a file, or from standard input.
func readToken(stdin io.Reader, args []string, file string) (string, error) {
	switch {
	case len(args) == 1 && file != "":
		return "", usageError{fmt.Errorf("give the token as an argument or with --token-file, not both")}
	case len(args) == 1 && args[0] != "-":
		return args[0], nil
	case file != "" && file != "-":
		return readTokenFile(file)
	}
	return readAllOf(stdin)
}

// readTokenFile reads a token from a file, or from a pipe such as the shell's <(command) is.
func readTokenFile(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", usageError{fmt.Errorf("--token-file: %w (name the file with the token that 'weft init' or 'weft token' made)", err)}
	}
	defer f.Close()
	return readAllOf(f)
}

// maxTokenLen is more than any token has, in bytes.
const maxTokenLen = 64 << 10

func readAllOf(r io.Reader) (string, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxTokenLen))
	if err != nil {
		return "", usageError{fmt.Errorf("the token cannot be read: %w", err)}
	}
	return string(text), nil
}
