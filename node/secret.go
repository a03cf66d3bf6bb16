package node

import (
	"errors"
	"io/fs"

	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/trust"
)

// readSecret reads the cluster secret of a configuration. exposed says that others than its owner may read the file.
func readSecret(cfg *config.Config) (keys trust.Keys, exposed bool, err error) {
	secret, exposed, err := trust.ReadSecretFile(cfg.SecretFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = config.KeyErrorf("secret_file", "%w ('weft init' makes it on the first node and 'weft join' on others; or copy it from a node of the same cluster)", err)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, trust.ErrSecret):
		err = config.KeyErrorf("secret_file", "%w", config.RootHint(err))
	case err != nil:
		err = config.KeyErrorf("secret_file", "%w (name the file with the cluster secret)", err)
	}
	if err != nil {
		return trust.Keys{}, false, cfg.Placed(err)
	}
	return secret.Derive(), exposed, nil
}

// loadSecret takes the keys that the node uses as long as it runs.
func (n *Node) loadSecret() error {
	keys, exposed, err := readSecret(n.config())
	if err != nil {
		return err
	}
	n.keys = keys
	n.noteSecret(n.config().SecretFile, exposed)
	return nil
}

// noteSecret says it, once and in status, when others may read the secret.
func (n *Node) noteSecret(file string, exposed bool) {
	reason := ""
	if exposed {
		reason = exposedSecret(file)
	}
	if n.state.problem("secret", reason) && exposed {
		n.log.Warn("node.secret.exposed", "file", file, "remedy", "chmod 600 "+file)
	}
}
