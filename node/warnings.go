package node

import (
	"net"
	"path/filepath"

	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/config"
)

// relativePaths are the directories and files of cfg that depend on where the daemon is started.
func relativePaths(cfg *config.Config) (list []string) {
	for _, path := range []struct{ key, value string }{
		{"secret_file", cfg.SecretFile}, {"state_dir", cfg.StateDir}, {"run_dir", cfg.RunDir},
	} {
		if !filepath.IsAbs(path.value) {
			list = append(list, cfg.Placed(config.KeyErrorf(path.key,
				"%s is relative to where the daemon is started: from elsewhere it is another node, or none; write an absolute path", path.value)).Error())
		}
	}
	return list
}

// warnings is what Run with cfg would warn of although it starts. running is as in checkMachine.
func warnings(cfg *config.Config, running *api.Status) []string {
	list := relativePaths(cfg)
	if err := canWrite(cfg.StateDir); err != nil {
		list = append(list, cfg.Placed(config.KeyErrorf("state_dir", "%w: a restart will not know what changed", err)).Error())
	}
	if running == nil && cfg.Metrics != "" {
		if l, err := net.Listen("tcp", cfg.Metrics); err != nil {
			list = append(list, cfg.Placed(config.KeyErrorf("metrics", "%w: there will be none until it is free", err)).Error())
		} else {
			l.Close()
		}
	}
	return list
}

// warnRelative logs the paths that depend on where the daemon was started.
func (n *Node) warnRelative() {
	for _, reason := range relativePaths(n.config()) {
		n.log.Warn("node.path.relative", "reason", reason)
	}
}
