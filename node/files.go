package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/weftnet/weft/atomicfile"
)

// epochFile holds the number of the last start. Handshake stamps begin with it, so that they grow from start to start
// even when the clock does not.
const epochFile = "epoch.json"

const stateVersion = 1

// maxStateFile bounds what is read of a state file: the claims of the largest cluster take less.
const maxStateFile = 64 << 20

type epochState struct {
	Version int    `json:"version"`
	Epoch   uint64 `json:"epoch"`
}

// nextEpoch returns the epoch of this start and stores it: the wall clock in milliseconds, or one more than the one stored if
// that is not behind the clock. So epochs grow where none can be stored, too, as long as nobody sets the clock back. A damaged
// file is set aside and named in aside. With an *atomicfile.Error the epoch is good for this start, and not stored.
func nextEpoch(dir string, now time.Time) (epoch uint64, aside string, err error) {
	path := filepath.Join(dir, epochFile)
	var last epochState
	data, _, err := atomicfile.Read(path, maxStateFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return 0, "", fmt.Errorf("node: read epoch: %w (move it away)", err)
	case json.Unmarshal(data, &last) != nil && last.Version <= stateVersion:
		last = epochState{}
		aside = path + ".damaged-" + now.UTC().Format("20060102T150405Z")
		if err := os.Rename(path, aside); err != nil {
			return 0, "", fmt.Errorf("node: set damaged epoch aside: %w", err)
		}
	case last.Version > stateVersion:
		return 0, "", fmt.Errorf("node: %s is of version %d, this weft knows %d: run the newer weft, or another state_dir", path, last.Version, stateVersion)
	}
	epoch = max(last.Epoch+1, uint64(now.UnixMilli()))
	return epoch, aside, writeEpoch(dir, epoch)
}

// writeEpoch stores the epoch of this start. The error is an *atomicfile.Error.
func writeEpoch(dir string, epoch uint64) error {
	data, err := json.Marshal(epochState{Version: stateVersion, Epoch: epoch})
	if err != nil {
		panic("node: encode epoch: " + err.Error()) // two numbers
	}
	return atomicfile.Write(filepath.Join(dir, epochFile), append(data, '\n'), 0o600)
}
