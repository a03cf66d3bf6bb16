package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/cni-shim/install"
	"github.com/weftnet/weft/cni-shim/lease"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/config"
)

func newCNI() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cni",
		Short: "Install weft as the network of this host's pods, remove that again, or say why no pod starts",
		Long: "Install weft as the network of this host's pods, remove that again, or say why no pod starts. What is installed are the plugin\n" +
			"weft-cni, three plugins that come with it (loopback, portmap, bandwidth), and the list " + install.ListFile + " that names them to the\n" +
			"container runtime.",
		Example: "  weft cni install --wait\n  weft cni status\n  weft cni uninstall",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newCNIInstall(), newCNIUninstall(), newCNIStatus())
	return cmd
}

// runtimeConfigs are the files that say where the runtime looks: k3s's and RKE2's first, for a host that also has another containerd (Docker's,
// often) runs pods with theirs.
var runtimeConfigs = []string{install.K3sConfig, install.RKE2Config, install.ContainerdConfig}

// addCNIFlags adds the flags that say where the runtime looks.
func addCNIFlags(cmd *cobra.Command) {
	addBookFlags(cmd)
	cmd.Flags().String("bin-dir", "", "directory in which the runtime looks for plugins (default: what k3s's or containerd's configuration says)")
	cmd.Flags().String("conf-dir", "", "directory in which the runtime looks for networks (default: likewise)")
}

// cniDirs are the directories of the flags, absolute; empty where a flag was not given.
func cniDirs(cmd *cobra.Command) (bin, conf string, err error) {
	for name, dir := range map[string]*string{"bin-dir": &bin, "conf-dir": &conf} {
		if *dir = cmd.Flag(name).Value.String(); *dir == "" {
			continue
		}
		if *dir, err = filepath.Abs(*dir); err != nil {
			return "", "", usageError{fmt.Errorf("--%s: %w", name, err)}
		}
	}
	return bin, conf, nil
}

// pluginSource is where the plugins of this installation are: below the directory of the program where 'make build' puts both, else where
// 'make install' and the packages do.
func pluginSource() (string, error) {
	program, err := os.Executable()
	if err == nil {
		program, err = filepath.EvalSymlinks(program)
	}
	if err != nil {
		return "", err
	}
	beside := filepath.Join(filepath.Dir(program), "cni")
	if _, err := os.Stat(filepath.Join(beside, install.Plugin)); err == nil {
		return beside, nil
	}
	return filepath.Join(filepath.Dir(filepath.Dir(program)), "lib", "weft", "cni"), nil
}

// whyNoLease asks the daemon why no pod can start yet. none is what was found in place of a lease.
func whyNoLease(ctx context.Context, cfg *config.Config, none error) string {
	status, err := api.NewClient(cfg.Socket()).Status(ctx)
	switch {
	case err != nil:
		return fmt.Sprintf("%s, and the daemon does not answer (%s): systemctl status weft", oneLine(none), oneLine(err))
	case status.Node.Pods.Reason != "":
		return "weft on node " + status.Node.Name + ": " + status.Node.Pods.Reason
	}
	return fmt.Sprintf("%s; weft on node %s runs: weft status", oneLine(none), status.Node.Name)
}

// ready reports whether the node has a lease, or why it has none.
func ready(ctx context.Context, cfg *config.Config) error {
	_, err := lease.Read(cfg.RunDir)
	if err == nil {
		return nil
	}
	return fmt.Errorf("no pod can start here yet, so nothing is installed (--wait waits): %s", whyNoLease(ctx, cfg, err))
}
