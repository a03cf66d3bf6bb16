package node

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/trust"
)

// keyFiles are the files of this node that hold a secret.
func (n *Node) keyFiles() []string {
	return []string{n.config().SecretFile, filepath.Join(n.config().StateDir, trust.IdentityFile)}
}

// noteExposed says it, in status and once in the log, when others may use a key file since the start, which refuses such a one.
func (n *Node) noteExposed() {
	var exposed []string
	for _, file := range n.keyFiles() {
		if info, err := os.Stat(file); err == nil && info.Mode().Perm()&0o077 != 0 {
			exposed = append(exposed, file)
		}
	}
	if len(exposed) == 0 {
		n.state.problem("secret", "")
		return
	}
	files := strings.Join(exposed, " ")
	if n.state.problem("secret", fmt.Sprintf("others than its owner may use %s, and the next start refuses that: chmod 600 %s", strings.Join(exposed, " and "), files)) {
		n.log.Warn("node.secret.exposed", "file", files, "remedy", "chmod 600 "+files)
	}
}

// keyError names the key of the configuration that leads to a node key which is refused.
func keyError(cfg *config.Config, err error) error {
	if !errors.Is(err, trust.ErrIdentity) {
		return err
	}
	return cfg.Placed(config.KeyErrorf("state_dir", "%w", err))
}
