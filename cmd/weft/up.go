package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/weftnet/weft/node"
	"github.com/weftnet/weft/node/config"
)

func newUp() *cobra.Command {
	var file string
	var check bool
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run the node in the foreground until SIGTERM or SIGINT",
		Long: "Run the node in the foreground until SIGTERM or SIGINT. A stop leaves device and routes in place, so that the next start\n" +
			"goes on where this one ended; 'weft down' removes them. A hangup (SIGHUP) makes the node read its configuration again, as\n" +
			"'weft reload' does; when it means that the terminal is gone, the node stops, unless it was started with nohup.\n\n" +
			"--check looks whether configuration, secret and machine are fit, also while a node runs, and changes nothing.",
		Example: "  weft up\n  weft up --check\n  weft up --config /etc/weft/other.yaml --log-level debug",
		Args:    cobra.NoArgs,
	}
	cmd.Flags().StringVarP(&file, "config", "c", config.DefaultConfigFile, "configuration file")
	cmd.Flags().BoolVar(&check, "check", false, "say what would run, or why it would not, and change nothing")
	addKeyFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if check {
			return checkUp(cmd, file)
		}
		ctx, asked := hangups(cmd.Context())
		read := func() (config.Config, error) { return loadConfig(cmd, file) }
		cfg, err := read()
		if err != nil {
			return err
		}
		return node.Run(ctx, cfg, node.Source{Read: read, Asked: asked}, os.Stderr)
	}
	return cmd
}

// checkUp does what 'weft up --check' says.
func checkUp(cmd *cobra.Command, file string) error {
	cfg, err := loadConfig(cmd, file)
	if err != nil {
		return err
	}
	found, err := node.Check(cmd.Context(), cfg)
	if err != nil {
		return err
	}
	for _, warning := range found.Warnings {
		fmt.Fprintf(cmd.ErrOrStderr(), "weft: warning: %s\n", oneLine(errors.New(warning)))
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "ok: %s\n", found.What)
	return err
}

// addKeyFlags adds a flag for every key of the configuration.
func addKeyFlags(cmd *cobra.Command) {
	defaults := config.Default()
	for _, k := range config.Keys() {
		usage := k.Usage
		if k.List {
			cmd.Flags().StringSlice(k.Flag(), nil, usage)
			continue
		}
		if k.Name == "bootstrap" {
			cmd.Flags().Bool(k.Flag(), false, usage)
			continue
		}
		if k.Name != "name" { // its default is this machine's, and the usage says so
			usage = fmt.Sprintf("%s (default %s)", usage, k.Get(&defaults))
		}
		cmd.Flags().String(k.Flag(), "", usage)
	}
}

// loadConfig reads the file, then the flags over it. Without a file at the default place, the flags are all.
func loadConfig(cmd *cobra.Command, file string) (config.Config, error) {
	cfg := config.Default()
	if err := readConfigFile(cmd, &cfg, file); err != nil {
		return cfg, err
	}
	if _, err := applyFlags(cmd, &cfg); err != nil {
		return cfg, err
	}
	return cfg, cfg.Validate()
}

// flagConfig is the configuration of the flags alone, and the names of the keys that they set.
func flagConfig(cmd *cobra.Command) (cfg config.Config, chosen map[string]bool, err error) {
	cfg = config.Default()
	chosen, err = applyFlags(cmd, &cfg)
	return cfg, chosen, err
}

// applyFlags sets the keys whose flags were given, and returns their names.
func applyFlags(cmd *cobra.Command, cfg *config.Config) (map[string]bool, error) {
	chosen := map[string]bool{}
	for _, k := range config.Keys() {
		f := cmd.Flags().Lookup(k.Flag())
		if f == nil || !f.Changed {
			continue
		}
		if err := k.Set(cfg, flagValues(f)); err != nil {
			return nil, usageError{fmt.Errorf("--%s: %w", k.Flag(), err)}
		}
		cfg.Given(k.Name, "--"+k.Flag())
		chosen[k.Name] = true
	}
	return chosen, nil
}

func readConfigFile(cmd *cobra.Command, cfg *config.Config, file string) error {
	if _, err := os.Stat(file); os.IsNotExist(err) && !cmd.Flags().Changed("config") && cmd.Flags().Changed("secret-file") {
		return nil
	}
	return cfg.ReadFile(file)
}

func flagValues(f *pflag.Flag) []string {
	if s, ok := f.Value.(pflag.SliceValue); ok {
		return s.GetSlice()
	}
	return []string{f.Value.String()}
}
