package node

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/weftnet/weft/atomicfile"
	"github.com/weftnet/weft/mesh"
	"github.com/weftnet/weft/node/kubernetes"
	"github.com/weftnet/weft/node/secrets"
	"github.com/weftnet/weft/node/statedir"
	"github.com/weftnet/weft/trust"
)

// tidyLeftovers removes what a daemon that was killed left half written. The state directory is locked.
func (n *Node) tidyLeftovers() {
	files := append(mesh.StateFiles(), statedir.VersionFile, statedir.EpochFile, trust.IdentityFile, secrets.RecordFile, mesh.SuccessionFile, kubernetes.StoreFile)
	if err := atomicfile.RemoveLeftovers(n.config().StateDir, files...); err != nil {
		n.log.Debug("node.state.leftovers", "error", err) // a read-only file system: they do no harm
	}
}

// nextEpoch is the epoch of this start. Where it cannot be stored the node runs all the same, and the keeper tries again: if
// it never can and somebody sets the clock back, the next start has a smaller epoch, and is called by its peers instead of
// calling them.
func (n *Node) nextEpoch() (uint64, error) {
	epoch, aside, err := statedir.NextEpoch(n.config().StateDir, n.started)
	if aside != "" {
		n.log.Warn("node.epoch.damaged", "aside", aside)
	}
	if unwritten := new(atomicfile.Error); errors.As(err, &unwritten) {
		n.log.Error("node.epoch.unwritable", "error", err)
		n.unstored = unstoredEpoch{epoch, err.Error()}
		return epoch, nil
	}
	return epoch, err
}

// unstoredEpoch is the epoch of this start while it could not be written, and why. The zero value: it is written.
type unstoredEpoch struct {
	epoch uint64
	why   string
}

// tidyStateDir looks after what the state directory should hold, every tidyPeriod.
func (n *Node) tidyStateDir() {
	n.storeEpoch()
	n.noteKey()
}

// storeEpoch writes the epoch that could not be written at the start.
func (n *Node) storeEpoch() {
	if n.unstored == (unstoredEpoch{}) {
		return
	}
	if err := statedir.WriteEpoch(n.config().StateDir, n.unstored.epoch); err != nil {
		n.unstored.why = err.Error()
		return
	}
	n.unstored = unstoredEpoch{}
	n.log.Info("node.epoch.written")
}

// noteStateDir shows in status why the state directory cannot be written, as long as that lasts.
func (n *Node) noteStateDir() {
	n.state.problem("state_dir", cmp.Or(n.unstored.why, n.mesh.StateProblem()))
}

// noteKey says it when the node's key is gone. It is not put back: to delete it is how a clone is told to become another node.
func (n *Node) noteKey() {
	file, reason := filepath.Join(n.config().StateDir, trust.IdentityFile), ""
	if _, err := os.Lstat(file); errors.Is(err, fs.ErrNotExist) {
		reason = file + " is gone: put it back, or the next start makes another node of this host"
	}
	switch {
	case !n.state.problem("node_key", reason):
	case reason != "":
		n.log.Error("node.key.gone", "file", file, "effect", "the next start makes another node of this host")
	default:
		n.log.Info("node.key.back", "file", file)
	}
}

// markStateDir makes the state directory say of which version it is. It must be locked.
func (n *Node) markStateDir() {
	if err := statedir.Mark(n.config().StateDir); err != nil { // all wefts of this version write the same: nothing depends on it
		n.log.Warn("node.state.unmarked", "error", err)
	}
}

// tidyRunDir keeps the daemon to be found, every tidyPeriod.
func (n *Node) tidyRunDir() {
	if n.runDir == nil {
		return
	}
	restored, err := n.runDir.Restore()
	if restored {
		n.log.Warn("node.rundir.restored", "dir", n.runDir.Dir(), "reason", "somebody deleted lock or socket")
	}
	reason := ""
	if err != nil {
		reason = err.Error()
	}
	if n.state.problem("run_dir", reason) && err != nil {
		n.log.Error("node.rundir.lost", "dir", n.runDir.Dir(), "error", err)
	}
}
