package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/cni-shim/install"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/config"
)

func newCNIStatus() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Say why no pod starts on this host: from the kubelet to the daemon, in order",
		Long: "Say why no pod starts on this host, or why the node stays NotReady: kubelet, containerd, its directories, the list, the plugins,\n" +
			"the lease and the daemon, in the order in which they are asked when a pod starts, and what the plugin says in the end. The last\n" +
			"line is the reason, and the exit code 1, if one failed. Nothing is changed.",
		Example: "  weft cni status\n  weft cni status --json",
		Args:    cobra.NoArgs,
	}
	addCNIFlags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		chain, err := cniChain(cmd)
		if err != nil {
			return err
		}
		steps := chain.Examine(cmd.Context())
		if asJSON {
			enc := json.NewEncoder(cmd.OutOrStdout())
			enc.SetIndent("", "  ")
			err = enc.Encode(steps)
		} else {
			err = printSteps(cmd.OutOrStdout(), steps)
		}
		return errors.Join(err, whyNoPod(steps))
	}
	return cmd
}

func cniChain(cmd *cobra.Command) (*install.Chain, error) {
	cfg, err := bookConfig(cmd)
	if err != nil {
		return nil, err
	}
	bin, conf, err := cniDirs(cmd)
	return &install.Chain{
		Bin: bin, Conf: conf, Configs: runtimeConfigs, RunDir: cfg.RunDir,
		Sockets: []string{install.K3sSocket, install.RuntimeSocket}, Kubelet: install.KubeletHealth,
		Daemon: func(ctx context.Context) (string, error) { return daemonSays(ctx, &cfg) },
	}, err
}

// daemonSays is how the daemon is, or why it is not well.
func daemonSays(ctx context.Context, cfg *config.Config) (string, error) {
	status, err := api.NewClient(cfg.Socket()).Status(ctx)
	if err != nil {
		return "", err
	}
	n := &status.Node
	if !n.Pods.Leased && n.Pods.Reason != "" {
		return "", fmt.Errorf("weft on node %s: %s", n.Name, n.Pods.Reason)
	}
	up := 0
	for _, p := range status.Peers {
		if p.State == api.StateUp {
			up++
		}
	}
	return fmt.Sprintf("weft on node %s runs; %d of %s up", n.Name, up, counted(uint64(len(status.Peers)), "peer")), nil
}

func whyNoPod(steps []install.Step) error {
	if s := install.Reason(steps); s != nil {
		return fmt.Errorf("pods get no network from weft here: %s: %s", s.Name, s.Detail)
	}
	return nil
}
