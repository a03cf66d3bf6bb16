package setup

import (
	"io"

	"github.com/weftnet/weft/mesh"
	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/trust"
)

// ReplaceKey gives the node of cfg a new key, and with it a new fingerprint, from its next start on. What the node owned it owns
// again then, at once: the old identity leaves it to the new one. After an error the old key is in its place.
func ReplaceKey(cfg config.Config, random io.Reader) (old, next trust.Fingerprint, err error) {
	before, after, err := trust.ReplaceIdentity(cfg.StateDir, random, func(old, next *trust.Identity) error {
		return mesh.Succeed(cfg.StateDir, old, next)
	})
	if err != nil {
		return old, next, config.RootHint(err)
	}
	return before.Fingerprint(), after.Fingerprint(), nil
}
