package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/cni-shim/install"
	"github.com/weftnet/weft/node/config"
)

func newCNIInstall() *cobra.Command {
	var wait, keep bool
	cmd := &cobra.Command{
		Use:   "install",
		Short: "Put the CNI plugin and its list where the container runtime looks",
		Long: "Put the CNI plugin and its list where the container runtime looks, once this node can start pods. What was there under the same\n" +
			"names is kept beside, and 'weft cni uninstall' puts it back. To install again changes what is out of date, and nothing else.\n\n" +
			"With --keep the command goes on: it puts back what an upgrade of the runtime removes or replaces, until it is stopped. The\n" +
			"service weft-cni and the DaemonSet run that.",
		Example: "  weft cni install --wait\n  weft cni install --keep\n  weft cni install --bin-dir /usr/lib/cni --conf-dir /etc/cni/net.d",
		Args:    cobra.NoArgs,
	}
	addCNIFlags(cmd)
	cmd.Flags().String("source", "", "directory with the plugins to install (default: where the packages have them)")
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until this node can start pods")
	cmd.Flags().BoolVar(&keep, "keep", false, "wait, install, and keep it so until the command is stopped")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := bookConfig(cmd)
		if err != nil {
			return err
		}
		if keep {
			return keepInstalled(cmd, &cfg)
		}
		if err := awaitReady(cmd, &cfg, wait); err != nil {
			return err
		}
		return installOnce(cmd, &cfg)
	}
	return cmd
}

// runtimeDirectories are what the flags say, else what is found. With subnet k8s the runtime runs once the node can start pods, and has its
// configuration then.
func runtimeDirectories(cmd *cobra.Command) (d install.Directories, err error) {
	bin, conf, err := cniDirs(cmd)
	if err != nil {
		return d, err
	}
	if bin != "" && conf != "" {
		return install.Directories{Bin: bin, Conf: conf, Why: "as the flags say"}, nil
	}
	d, err = install.Find(runtimeConfigs...)
	d.Bin, d.Conf = cmp.Or(bin, d.Bin), cmp.Or(conf, d.Conf)
	return d, err
}

// installOptions are where the plugins come from and what is to be known of the node; the directories are left open.
func installOptions(cmd *cobra.Command, cfg *config.Config) (o install.Options, err error) {
	if o.Source = cmd.Flag("source").Value.String(); o.Source == "" {
		if o.Source, err = pluginSource(); err != nil {
			return o, err
		}
	}
	for _, dir := range []struct {
		to   *string
		from string
	}{{&o.Source, o.Source}, {&o.StateDir, cfg.StateDir}, {&o.RunDir, cfg.RunDir}} {
		if *dir.to, err = filepath.Abs(dir.from); err != nil {
			return o, err
		}
	}
	return o, nil
}

func awaitReady(cmd *cobra.Command, cfg *config.Config, wait bool) error {
	if !wait {
		return ready(cmd.Context(), cfg)
	}
	return install.Await(cmd.Context(), cfg.RunDir, func(ctx context.Context, none error) string { return whyNoLease(ctx, cfg, none) },
		func(reason string) { fmt.Fprintf(cmd.ErrOrStderr(), "weft: waiting: %s\n", reason) })
}

func installOnce(cmd *cobra.Command, cfg *config.Config) error {
	o, err := installOptions(cmd, cfg)
	if err != nil {
		return err
	}
	if o.Directories, err = runtimeDirectories(cmd); err != nil {
		return err
	}
	done, err := install.NewInstaller(o).Install()
	if err != nil {
		return err
	}
	if err := printInstalled(cmd.OutOrStdout(), o, done); err != nil {
		return err
	}
	rivals, err := install.Rivals(o.Conf)
	for _, r := range rivals {
		fmt.Fprintf(cmd.ErrOrStderr(), "weft: warning: %s\n", r)
	}
	return err
}

// keepInstalled runs until it is stopped, which is no error.
func keepInstalled(cmd *cobra.Command, cfg *config.Config) error {
	log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
	err := install.Await(cmd.Context(), cfg.RunDir, func(ctx context.Context, none error) string { return whyNoLease(ctx, cfg, none) },
		func(reason string) { log.Info("cni.waiting", "reason", reason) })
	if err != nil {
		return nil
	}
	o, err := installOptions(cmd, cfg)
	if err != nil {
		return err
	}
	where := func() (install.Directories, error) { return runtimeDirectories(cmd) }
	return install.NewKeeper(install.NewInstaller(o), where, log).Run(cmd.Context())
}
