package statedir

import (
	"encoding/json"
	"fmt"
	"path/filepath"

	"github.com/weftnet/weft/atomicfile"
	"github.com/weftnet/weft/mesh"
	"github.com/weftnet/weft/node/version"
)

// VersionFile says of which version the state directory is, and which weft wrote it last.
const VersionFile = "version.json"

// stateMark is the version file. The other state files, but for the key, begin with the same version.
type stateMark struct {
	Version int    `json:"version"`        // raised when an older weft would do harm to what a newer one wrote
	Weft    string `json:"weft,omitempty"` // for people
}

// readMark is the version of a state file; zero where there is none, or a damaged one: whoever reads it whole says so.
func readMark(path string) (mark stateMark) {
	data, _, err := atomicfile.Read(path, MaxFile)
	if err != nil || json.Unmarshal(data, &mark) != nil {
		return stateMark{}
	}
	return mark
}

// CheckVersion refuses the state directory of a newer weft. It touches nothing in it.
func CheckVersion(dir string) error {
	for _, name := range append(mesh.StateFiles(), VersionFile, EpochFile) {
		path := filepath.Join(dir, name)
		mark := readMark(path)
		if mark.Version <= Version {
			continue
		}
		by := ""
		if mark.Weft != "" {
			by = ", written by weft " + mark.Weft
		}
		return fmt.Errorf("%s is of version %d%s, and this weft %s knows version %d: run the newer weft, or give this one another state_dir",
			path, mark.Version, by, version.Get().Version, Version)
	}
	return nil
}

// Mark writes the version file where it does not say what it should. The state directory must be locked.
func Mark(dir string) error {
	path := filepath.Join(dir, VersionFile)
	mark := stateMark{Version: Version, Weft: version.Get().Version}
	if readMark(path) == mark {
		return nil
	}
	data, err := json.Marshal(mark)
	if err != nil {
		return err
	}
	return atomicfile.Write(path, append(data, '\n'), 0o600)
}
