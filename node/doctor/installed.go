package doctor

import (
	"context"

	"github.com/weftnet/weft/cni-shim/install"
	"github.com/weftnet/weft/node/config"
)

// lookAtInstalled follows the chain from the kubelet to the plugins, where weft is installed as the network of pods. The rest of it, lease
// and daemon, has checks of its own.
func lookAtInstalled(ctx context.Context, cfg *config.Config) (steps []install.Step) {
	where, ok := install.Installed(cfg.StateDir)
	if !ok {
		return nil
	}
	chain := install.Chain{
		Bin: where.Bin, Conf: where.Conf, RunDir: cfg.RunDir, Sockets: []string{install.K3sSocket, install.RuntimeSocket},
		Kubelet: install.KubeletHealth, Daemon: func(context.Context) (string, error) { return "", nil },
	}
	for _, s := range chain.Examine(ctx) {
		if s.Name != "lease" && s.Name != "daemon" {
			steps = append(steps, s)
		}
	}
	return steps
}

// checkInstalled says what keeps the runtime from starting pods with weft's plugin. A host where it is not installed needs none of it.
func checkInstalled(f *Facts) []Check {
	if f.Installed == nil {
		return nil
	}
	for _, s := range f.Installed {
		if s.Finding != install.OK {
			return one("pods.installed", Warn, s.Name+": "+s.Detail, s.Remedy)
		}
	}
	return one("pods.installed", OK, "the container runtime finds weft's CNI plugin", "")
}
