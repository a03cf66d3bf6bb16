package node

import (
	"encoding/json"
	"path/filepath"

	"github.com/weftnet/weft/atomicfile"
	"github.com/weftnet/weft/mesh"
	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/node/version"
)

// versionFile says of which version the state directory is, and which weft wrote it last.
const versionFile = "version.json"

// stateMark is the version file. The other state files, but for the key, begin with the same version.
type stateMark struct {
	Version int    `json:"version"`        // raised when an older weft would do harm to what a newer one wrote
	Weft    string `json:"weft,omitempty"` // for people
}

// readMark is the version of a state file; zero where there is none, or a damaged one: whoever reads it whole says so.
func readMark(path string) (mark stateMark) {
	data, _, err := atomicfile.Read(path, maxStateFile)
	if err != nil || json.Unmarshal(data, &mark) != nil {
		return stateMark{}
	}
	return mark
}

// checkStateVersion refuses the state directory of a newer weft, before anything in it is touched.
func checkStateVersion(cfg *config.Config) error {
	for _, name := range append(mesh.StateFiles(), versionFile, epochFile) {
		path := filepath.Join(cfg.StateDir, name)
		mark := readMark(path)
		if mark.Version <= stateVersion {
			continue
		}
		by := ""
		if mark.Weft != "" {
			by = ", written by weft " + mark.Weft
		}
		return cfg.Placed(config.KeyErrorf("state_dir", "%s is of version %d%s, and this weft %s knows version %d: run the newer weft, or give this one another state_dir",
			path, mark.Version, by, version.Get().Version, stateVersion))
	}
	return nil
}

// markStateDir writes the version file where it does not say what it should. The state directory must be locked.
func (n *Node) markStateDir() {
	path := filepath.Join(n.config().StateDir, versionFile)
	mark := stateMark{Version: stateVersion, Weft: version.Get().Version}
	if readMark(path) == mark {
		return
	}
	data, err := json.Marshal(mark)
	if err == nil {
		err = atomicfile.Write(path, append(data, '\n'), 0o600)
	}
	if err != nil { // the state files are the same as those of all wefts of this version: nothing depends on the mark
		n.log.Warn("node.state.unmarked", "error", err)
	}
}
