package node

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"

	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/node/secrets"
	"github.com/weftnet/weft/trust"
)

// readSecret reads the cluster secrets of a configuration.
func readSecret(cfg *config.Config) (*trust.SecretFile, error) {
	f, err := trust.ReadSecrets(cfg.SecretFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = config.KeyErrorf("secret_file", "%w ('weft init' makes it on the first node and 'weft join' on others; or copy it from a node of the same cluster)", err)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, trust.ErrSecret):
		err = config.KeyErrorf("secret_file", "%w", config.RootHint(err))
	case err != nil:
		err = config.KeyErrorf("secret_file", "%w (name the file with the cluster secret)", err)
	}
	if err == nil && f.Exposed {
		err = config.KeyErrorf("secret_file", "%[1]s: others than its owner may read or write it (chmod 600 %[1]s; if others are on this host, rotate the secret: 'weft secret rotate')", cfg.SecretFile)
	}
	if err != nil {
		return nil, cfg.Placed(err)
	}
	return f, nil
}

// loadSecret takes the secrets that the node begins with.
func (n *Node) loadSecret() error {
	cfg := n.config()
	f, err := readSecret(cfg)
	if err != nil {
		return err
	}
	n.secrets = secrets.New(secrets.Config{
		File: cfg.SecretFile, Held: f, StateDir: cfg.StateDir, Random: n.platform.Random, Log: n.log,
		Members: n.claimants, Barred: n.barred, Permit: n.permitRotation,
	})
	return nil
}

// takeSecret brings the secrets of a file into force that was read again, and says what changed.
func (n *Node) takeSecret(file string, f *trust.SecretFile) []api.Change {
	before := secretNames(n.secrets.Held())
	if !n.secrets.Reload(file, f) {
		return nil
	}
	return []api.Change{{Key: "secret", Old: before, New: secretNames(n.secrets.Held())}}
}

// secretNames are the ids of secrets, as people read them.
func secretNames(held []api.Secret) string {
	var names []string
	for _, s := range held {
		names = append(names, s.ID)
	}
	return strings.Join(names, " and ")
}

// claimants are all other nodes that have a claim, reached or not.
func (n *Node) claimants() []secrets.Member {
	var list []secrets.Member
	for _, m := range n.mesh.View().Members {
		if m.Claim != nil && m.ID != n.identity.Fingerprint() {
			list = append(list, secrets.Member{ID: m.ID, Name: m.Name})
		}
	}
	return list
}

// barred are the nodes that are refused.
func (n *Node) barred() []secrets.Member {
	var list []secrets.Member
	for _, m := range n.mesh.View().Members {
		if m.Claim == nil && m.Refused != "" {
			list = append(list, secrets.Member{ID: m.ID, Name: m.Name})
		}
	}
	return list
}

// otherSecret says what to do about a node whose secret is not ours. theirs is the short id of it.
func (n *Node) otherSecret(theirs string) string {
	since := n.secrets.Retired(theirs)
	if back := n.secrets.Back(); !since.IsZero() && !back.IsZero() {
		return "; ours was retired here on " + back.Format("2006-01-02") + " and is back: if an old secret_file was put back here, put the present one of a member here, and run 'weft reload'"
	}
	if !since.IsZero() {
		return "; it has the secret that was retired here on " + since.Format("2006-01-02") + ": put the present secret_file of a member on it, and run 'weft reload' there"
	}
	return "; if the secret was rotated while one of the two was away, that one needs the secret_file of a member, and 'weft reload'"
}

// serveRotation answers 'weft secret rotate'.
func (n *Node) serveRotation(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		reply(func() (*api.Rotation, error) { return n.named(n.secrets.State(r.Context())), nil })(w, r)
		return
	}
	query := r.URL.Query()
	if query.Has("request") {
		asked, err := n.requestRotation()
		replyStep(w, r, asked, err)
		return
	}
	signed, err := base64.RawURLEncoding.DecodeString(query.Get("signed"))
	if err != nil || len(signed) == 0 {
		signed = nil
	}
	done, err := n.secrets.Rotate(r.Context(), query["without"], signed)
	replyStep(w, r, n.named(done), err)
}

// replyStep answers with what a step of a rotation came to, or why there is none.
func replyStep[T any](w http.ResponseWriter, r *http.Request, done T, err error) {
	if errors.Is(err, secrets.ErrNoStep) {
		http.Error(w, strings.TrimPrefix(err.Error(), secrets.ErrNoStep.Error()+": "), http.StatusConflict)
		return
	}
	reply(func() (T, error) { return done, err })(w, r)
}

// requestRotation is what the authority is asked to sign.
func (n *Node) requestRotation() (*api.RotationRequest, error) {
	if !n.admission.Strict() {
		return nil, fmt.Errorf("%w: this node has no authority that could sign: run 'weft secret rotate'", secrets.ErrNoStep)
	}
	old, next, err := n.secrets.Request()
	return &api.RotationRequest{Old: hex.EncodeToString(old[:]), New: hex.EncodeToString(next[:])}, err
}

// named gives this node, the first in a rotation, its name.
func (n *Node) named(r *api.Rotation) *api.Rotation {
	if r != nil {
		r.Nodes[0].Name, r.Nodes[0].ID = n.config().Name, n.identity.Fingerprint().String()
	}
	return r
}
